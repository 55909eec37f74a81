"""Builds in memory on the fake Git host: a service is its content; content "red" fails, "invalid" is refused."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from delivery.errors import NotFound, Rejected
from delivery.ports.builds import BuildOutcome, Commit, Plan, PlannedService, Target
from delivery.releases import Manifest
from delivery.rollouts.model import Strategy
from pipelines.runs import JobState
from tests.fakes.forge import FakeForge


class FakeBuilds:
    """`strategy` is production's and that of `named` environments, branch -> name; `built` counts by service."""

    def __init__(self, forge: FakeForge, strategy: Strategy | None = None) -> None:
        self.forge = forge
        self.strategy = strategy or Strategy()
        self.named: dict[str, str] = {}
        self.artifacts: set[str] = set()
        self.built: list[str] = []
        self.during: Callable[[], None] = lambda: None

    def plan(self, repository: Path, project: str, branch: str, revision: str, default_branch: str) -> Plan:
        files = self.commit_of(revision).files
        if "invalid" in files.values():
            raise Rejected("colorlane.yaml:3: services: is wrong")
        production = branch == default_branch
        base = {} if production else self.base(revision, default_branch)
        services = tuple(
            PlannedService(
                name, f"key-{name}-{text}", "changed" if base.get(name) != text else "same", base.get(name) != text
            )
            for name, text in sorted(files.items())
        )
        return Plan("page", services, self.target_of(branch, production) if not branch.startswith("wip/") else None)

    def target_of(self, branch: str, production: bool) -> Target:
        if production:
            return Target("production", self.strategy)
        bound = frozenset(self.named.values())
        if name := self.named.get(branch):
            return Target(name, self.strategy, color=name, reserved=bound)
        return Target("preview", Strategy(), auto_stop=3600.0, reserved=bound)

    def target(self, repository: Path, branch: str, revision: str) -> tuple[str, Target | None]:
        plan = self.plan(repository, "shop", branch, revision, "main")
        return plan.entry, plan.target

    def base(self, revision: str, default_branch: str) -> Mapping[str, str]:
        main = self.forge.branches.get(default_branch, "")
        for id in self.history(revision):
            if id in self.history(main):
                return self.commit_of(id).files
        return {}

    def history(self, id: str) -> list[str]:
        found = []
        while id:
            found.append(id)
            parents = self.commit_of(id).parents
            id = parents[0] if parents else ""
        return found

    def commit_of(self, revision: str):  # type: ignore[no-untyped-def]
        try:
            return self.forge.commits[revision]
        except KeyError:
            raise NotFound(f"no commit {revision}") from None

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
        self.during()
        if not keep_going():
            return BuildOutcome(JobState.CANCELED, message="canceled")
        self.built.append(service)
        if key.endswith("-red"):
            return BuildOutcome(JobState.FAILED, message="exit status 1")
        artifact = f"sha256:{key}"
        self.artifacts.add(artifact)
        return BuildOutcome(JobState.SUCCEEDED, artifact)

    def has(self, artifact: str) -> bool:
        return artifact in self.artifacts

    def render(
        self, repository: Path, revision: str, project: str, artifacts: Mapping[str, str]
    ) -> Mapping[str, Sequence[Manifest]]:
        return {service: self.manifests(service, artifact) for service, artifact in artifacts.items()}

    def manifests(self, service: str, artifact: str) -> Sequence[Manifest]:
        return (
            {"kind": "Deployment", "metadata": {"name": service}, "image": artifact},
            {"kind": "Service", "metadata": {"name": service}, "spec": {"ports": [{"port": 9080}]}},
        )

    def commit(self, repository: Path, revision: str) -> Commit:
        found = self.commit_of(revision)
        return Commit(found.id, found.author, found.message)

    def is_ancestor(self, repository: Path, older: str, newer: str) -> bool:
        return newer in self.forge.commits and older in self.history(newer)

    def collect(self, keep: frozenset[str]) -> int:
        gone = self.artifacts - keep
        self.artifacts &= keep
        return len(gone)
