"""Platform port: runs workloads. Real sides: platform_local (processes), later platform_kubernetes.

Contract: every call is idempotent and durable once it returns. `apply` and `remove` carry the workload's
generation; one older than the newest seen raises `Conflict` and changes nothing (an older run never overwrites
a newer one). The platform registers ready replicas with the mesh and withdraws them (proxies ACKed, in-flight
requests ended) before it stops them. A platform that is away raises `Transient`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from delivery.releases import Manifest


@dataclass(frozen=True, order=True)
class WorkloadKey:
    """A release running in an environment. `color` is "" in production."""

    project: str
    service: str
    color: str
    version: str


@dataclass(frozen=True)
class WorkloadSpec:
    """`manifests`: one Deployment, the Services that select it, the ConfigMaps it uses, as rendered.

    `replicas` overrides the Deployment's own count when not None. `artifact` is the digest to run.
    """

    key: WorkloadKey
    generation: int
    artifact: str
    manifests: Sequence[Manifest]
    replicas: int | None = None


class Health(StrEnum):
    """Where a workload stands."""

    ABSENT = "absent"
    STARTING = "starting"
    READY = "ready"  # all replicas ready and registered with the mesh
    DEGRADED = "degraded"  # was ready; some replica is not
    FAILING = "failing"  # crashes, or never becomes ready; `reason` says why in words for people
    STOPPING = "stopping"


@dataclass(frozen=True)
class WorkloadStatus:
    """One reading of a workload."""

    key: WorkloadKey
    health: Health
    ready: int = 0
    wanted: int = 0
    reason: str = ""
    restarts: int = 0


class Platform(Protocol):
    """See the module's contract."""

    def apply(self, spec: WorkloadSpec) -> None:
        """Make the workload run as specified; returns before it is ready. Raises Rejected for bad manifests."""
        ...

    def remove(self, key: WorkloadKey, generation: int) -> None:
        """Drain and stop the workload, then delete every trace of it; returns before that is done."""
        ...

    def status(self, key: WorkloadKey) -> WorkloadStatus:
        """Return the newest reading; ABSENT when nothing of it is left (process, route, file)."""
        ...

    def list(self, project: str) -> Sequence[WorkloadStatus]:
        """Return all workloads of a project."""
        ...

    def logs(self, key: WorkloadKey, tail: int = 200) -> Iterable[str]:
        """Yield the last `tail` lines of the workload's output, oldest first, prefixed by replica."""
        ...
