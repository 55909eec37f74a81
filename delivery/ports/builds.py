"""Builds port: what a repository says at a revision; how services become artifacts. Real side: builds_pipelines.

Contract: `plan`, `render`, `commit` and `is_ancestor` read a local bare repository and change nothing; equal arguments
give equal answers. `build` is idempotent: equal keys give one artifact, and a half-written artifact is never seen.
What the user has to mend (`colorlane.yaml`, manifests) raises `Rejected` with all problems in the message; a red build
is a value. `build` asks `keep_going` at least every second and ends soon after it said False.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from delivery.releases import Manifest
from delivery.rollouts.model import Strategy
from pipelines.runs import JobState


@dataclass(frozen=True)
class PlannedService:
    """One service of a plan. `key` is the content key; `changed`: it differs from the base revision."""

    name: str
    key: str
    reason: str
    changed: bool = True


@dataclass(frozen=True)
class Target:
    """Where a branch goes: "production", an environment bound to it by name, or a preview of its own.

    `color` is that of a bound environment, "" for a preview, whose colour is made from the branch; `reserved`: those of
    all bound ones. `auto_stop` in seconds, None: it lives as long as the branch. `fallback`: `environments.Fallback`.
    """

    name: str
    strategy: Strategy = field(default_factory=Strategy)
    auto_stop: float | None = None
    fallback: str = "fallback"
    color: str = ""
    reserved: frozenset[str] = frozenset()

    @property
    def is_production(self) -> bool:
        """Whether this is the baseline."""
        return self.name == "production"


@dataclass(frozen=True)
class Plan:
    """What a revision asks for. `target` is None for a branch no environment takes."""

    entry: str
    services: tuple[PlannedService, ...]
    target: Target | None


@dataclass(frozen=True)
class Commit:
    """What a commit says of itself."""

    revision: str
    author: str
    message: str


@dataclass(frozen=True)
class BuildOutcome:
    """How a build ended; `artifact` is a digest when SUCCEEDED, `message` one sentence otherwise."""

    state: JobState
    artifact: str = ""
    message: str = ""


class Builds(Protocol):
    """See the module's contract."""

    def plan(self, repository: Path, project: str, branch: str, revision: str, default_branch: str) -> Plan:
        """Read colorlane.yaml at `revision`; for previews, compare with the merge base with `default_branch`."""
        ...

    def target(self, repository: Path, branch: str, revision: str) -> tuple[str, Target | None]:
        """Return the entry service and where the branch goes, as `plan` would, without comparing anything."""
        ...

    def build(
        self,
        repository: Path,
        revision: str,
        service: str,
        key: str,
        log: Path,
        keep_going: Callable[[], bool],
        project: str = "",
    ) -> BuildOutcome:
        """Build and test one service, streaming its output to `log`; `project` is part of an image's name."""
        ...

    def has(self, artifact: str) -> bool:
        """Tell whether the artifact's files are there."""
        ...

    def render(
        self, repository: Path, revision: str, project: str, artifacts: Mapping[str, str]
    ) -> Mapping[str, Sequence[Manifest]]:
        """Render the manifests of the services in `artifacts` (service -> digest), by service.

        Asked for the same services again with other digests, it answers from memory.
        """
        ...

    def commit(self, repository: Path, revision: str) -> Commit:
        """Return author and message. Raises NotFound."""
        ...

    def is_ancestor(self, repository: Path, older: str, newer: str) -> bool:
        """Tell whether `older` is reachable from `newer`; False when either is unknown."""
        ...

    def collect(self, keep: frozenset[str]) -> int:
        """Delete artifacts that are neither in `keep` nor being built; return how many."""
        ...
