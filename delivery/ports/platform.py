"""Platform port: runs workloads. Real sides: platform_local (processes), later platform_kubernetes.

Contract: every call is idempotent and durable once it returns. `apply` and `remove` carry the workload's
generation; one older than the newest seen raises `Conflict` and changes nothing (an older run never overwrites
a newer one). The platform registers ready replicas with the mesh and withdraws them (proxies ACKed, in-flight
requests ended) before it stops them. A platform that is away raises `Transient`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol

from delivery.workloads import WorkloadKey, WorkloadSpec, WorkloadStatus


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
