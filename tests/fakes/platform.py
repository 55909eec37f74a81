"""Platform in memory: workloads become ready at once, or stay as the test says. `before` sees each write first.

`tests/contracts/test_platform.py` holds it to the port's contract.
"""

from __future__ import annotations

import queue
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

from delivery.errors import Conflict, NotFound, Rejected, Transient
from delivery.ports.platform import Shell
from delivery.workloads import Happening, Health, Replica, WorkloadKey, WorkloadSpec, WorkloadStatus


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
        self.restarted: dict[WorkloadKey, float] = {}
        self.happened: dict[WorkloadKey, list[Happening]] = {}
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

    def replicas(self, key: WorkloadKey) -> Sequence[Replica]:
        wanted = self.status(key).wanted
        return [Replica(f"{key.service}-{key.version}-{n}", "ready", True) for n in range(wanted)]

    def events(self, key: WorkloadKey, limit: int = 100) -> Sequence[Happening]:
        return self.happened.get(key, [])[-limit:]

    def drift(self, key: WorkloadKey) -> Sequence[str]:
        spec = self.specs.get(key)
        return [f"replicas: scaled to {spec.replicas}"] if spec and spec.replicas is not None else []

    def restart(self, key: WorkloadKey, at: float) -> None:
        self._running(key)
        if self.restarted.get(key, 0.0) < at:
            self.restarted[key] = at
            self.happened.setdefault(key, []).append(Happening(at, key.service, "Restarted", "restarted"))

    def scale(self, key: WorkloadKey, replicas: int | None) -> None:
        if replicas is not None and not 0 <= replicas <= 50:
            raise Rejected(f"{replicas} replicas are too many", field="replicas", value=replicas)
        self.specs[key] = replace(self._running(key), replicas=replicas)

    def shell(self, key: WorkloadKey, replica: str, command: Sequence[str]) -> Shell:
        self._running(key)
        return FakeShell()

    def _running(self, key: WorkloadKey) -> WorkloadSpec:
        if key not in self.specs or key in self.stopping:
            raise NotFound(f"{key} does not run")
        return self.specs[key]


def _wanted(spec: WorkloadSpec) -> int:
    if spec.replicas is not None:
        return spec.replicas
    deployments = [manifest for manifest in spec.manifests if manifest.get("kind") == "Deployment"]
    return int(deployments[0].get("spec", {}).get("replicas", 1)) if deployments else 1


class FakeShell:
    """Echoes every line; `exit` ends it."""

    def __init__(self) -> None:
        self._said: queue.Queue[bytes | None] = queue.Queue()
        self.size = (0, 0)
        self.closed = False

    def read(self, seconds: float) -> bytes | None:
        try:
            return self._said.get(timeout=seconds)
        except queue.Empty:
            return b""

    def write(self, data: bytes) -> None:
        self._said.put(None if data.strip() == b"exit" else data)

    def resize(self, columns: int, rows: int) -> None:
        self.size = (columns, rows)

    def close(self) -> int | None:
        self.closed = True
        return 0
