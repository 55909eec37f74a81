"""Git host in memory: branches and commits with parents; keeps the statuses it is told."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from delivery.errors import Transient
from delivery.ports.forge import CommitState
from delivery.projects import Project


@dataclass(frozen=True)
class FakeCommit:
    """`files`: service -> content."""

    id: str
    parents: tuple[str, ...]
    files: Mapping[str, str]
    message: str = ""
    author: str = "alice"


@dataclass
class FakeForge:
    """All projects share one repository, which is enough."""

    branches: dict[str, str] = field(default_factory=dict)
    commits: dict[str, FakeCommit] = field(default_factory=dict)
    told: list[tuple[str, str, CommitState, str]] = field(default_factory=list)
    away: bool = False
    fetched: set[str] = field(default_factory=set)

    def push(self, branch: str, id: str, message: str = "", **files: str) -> str:
        """Commit on top of the branch (or of main) and move the branch there."""
        parent = self.branches.get(branch) or self.branches.get("main", "")
        before = self.commits[parent].files if parent else {}
        self.commits[id] = FakeCommit(id, (parent,) if parent else (), {**before, **files}, message)
        self.branches[branch] = id
        return id

    def prepare(self, project: Project) -> None:
        """Nothing to make."""

    def forget(self, project: Project) -> None:
        self.branches.clear()

    def repository(self, project: Project, revision: str = "") -> Path:
        if self.away and revision not in self.fetched:
            raise Transient("the host is away")
        if not self.away:
            self.fetched |= set(self.commits)
        return Path("/nowhere")

    def heads(self, project: Project) -> Mapping[str, str]:
        if self.away:
            raise Transient("the host is away")
        return dict(self.branches)

    def set_status(
        self, project: Project, revision: str, ref: str, name: str, state: CommitState, description: str, url: str
    ) -> None:
        if self.away:
            raise Transient("the host is away")
        self.told.append((revision, name, state, description))
