"""Platform in memory: workloads become ready at once, or stay as the test says. `before` sees each write first.

`tests/contracts/test_platform.py` holds it to the port's contract.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from delivery.errors import Conflict, Rejected, Transient
from delivery.workloads import Health, WorkloadKey, WorkloadSpec, WorkloadStatus


class FakePlatform:
    """`health` overrides what a version does; `refuse` names services whose manifests are bad; `away`: no answers."""

    def __init__(self, before: Callable[[str], None] = lambda what: None) -> None:
        self.before = before
        self.specs: dict[WorkloadKey, WorkloadSpec] = {}
        self.newest: dict[WorkloadKey, int] = {}
        self.health: dict[str, tuple[Health, str]] = {}
        self.refuse: set[str] = set()
        self.stopping: set[WorkloadKey] = set()
        self.slow_to_stop = False
        self.away = False

    def apply(self, spec: WorkloadSpec) -> None:
        self.before("apply")
        if spec.key.service in self.refuse:
            raise Rejected(f"{spec.key.service}: bad manifest", remedy="write a good one")
        gone = spec.key not in self.specs or spec.key in self.stopping
        if gone and spec.generation == self.newest.get(spec.key):
            raise Conflict(f"{spec.key} was removed at this generation")
        self._newer(spec.key, spec.generation)
        self.specs[spec.key] = spec
        self.stopping.discard(spec.key)

    def remove(self, key: WorkloadKey, generation: int) -> None:
        self.before("remove")
        self._newer(key, generation)
        if self.slow_to_stop and key in self.specs:
            self.stopping.add(key)
        else:
            self.specs.pop(key, None)

    def _newer(self, key: WorkloadKey, generation: int) -> None:
        if generation < self.newest.get(key, 0):
            raise Conflict(f"{key}: generation {generation} is older than {self.newest[key]}")
        self.newest[key] = generation

    def stop_all(self) -> None:
        """Let what is stopping be gone."""
        for key in self.stopping:
            self.specs.pop(key, None)
        self.stopping.clear()

    def status(self, key: WorkloadKey) -> WorkloadStatus:
        if self.away:
            raise Transient("the platform is away")
        if key not in self.specs:
            return WorkloadStatus(key, Health.ABSENT)
        if key in self.stopping:
            return WorkloadStatus(key, Health.STOPPING)
        health, reason = self.health.get(key.version, (Health.READY, ""))
        wanted = _wanted(self.specs[key])
        return WorkloadStatus(key, health, wanted, wanted, reason)

    def list(self, project: str) -> Sequence[WorkloadStatus]:
        return [self.status(key) for key in sorted(self.specs) if key.project == project]

    def logs(self, key: WorkloadKey, tail: int = 200) -> Iterable[str]:
        return []


def _wanted(spec: WorkloadSpec) -> int:
    if spec.replicas is not None:
        return spec.replicas
    deployments = [manifest for manifest in spec.manifests if manifest.get("kind") == "Deployment"]
    return int(deployments[0].get("spec", {}).get("replicas", 1)) if deployments else 1
