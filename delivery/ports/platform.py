"""Platform port: runs workloads. Real sides: platform_local (processes), later platform_kubernetes.

Contract: every call is idempotent and durable once it returns. `apply` and `remove` carry the workload's
generation; one older than the newest seen raises `Conflict` and changes nothing (an older run never overwrites
a newer one). The platform registers ready replicas with the mesh and withdraws them (proxies ACKed, in-flight
requests ended) before it stops them. A platform that is away raises `Transient`.

What people do to a running workload (`restart`, `scale`, `shell`) raises `NotFound` where it does not run. It belongs
to the workload as it was applied: the next generation is as its manifests say.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol

from delivery.workloads import Happening, Replica, WorkloadKey, WorkloadSpec, WorkloadStatus


class Shell(Protocol):
    """A terminal in a replica. Used by one thread that reads and one that writes."""

    def read(self, seconds: float) -> bytes | None:
        """Return output as it comes, b"" when none came in `seconds`, None when the program has ended."""
        ...

    def write(self, data: bytes) -> None:
        """Send keystrokes."""
        ...

    def resize(self, columns: int, rows: int) -> None:
        """Tell the size of the window, in characters."""
        ...

    def close(self) -> int | None:
        """End the program if it runs; return its exit code, None when it was ended."""
        ...


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

    def replicas(self, key: WorkloadKey) -> Sequence[Replica]:
        """Return the workload's replicas, by name; none when it does not run."""
        ...

    def events(self, key: WorkloadKey, limit: int = 100) -> Sequence[Happening]:
        """Return what happened to the workload lately, newest last."""
        ...

    def drift(self, key: WorkloadKey) -> Sequence[str]:
        """Return what somebody has changed by hand since it was applied, one line each."""
        ...

    def restart(self, key: WorkloadKey, at: float) -> None:
        """Replace every replica from before `at`, new ones first, so that no request fails; again changes nothing."""
        ...

    def scale(self, key: WorkloadKey, replicas: int | None) -> None:
        """Run so many replicas; None: as the manifests say. Raises Conflict where an autoscaler decides that."""
        ...

    def shell(self, key: WorkloadKey, replica: str, command: Sequence[str]) -> Shell:
        """Start `command` at a terminal in the replica ("" for any ready one)."""
        ...
