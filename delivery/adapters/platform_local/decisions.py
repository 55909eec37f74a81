"""What to do about a workload's replicas, and how the workload is: pure. Neighbours: workload (carries it out).

Change is make-before-break: replacements start first, and only when as many are ready as are wanted do the old ones
drain. Draining replicas are never counted and never called back.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from delivery.workloads import Health, WorkloadKey, WorkloadStatus

GIVE_UP_AFTER = 30.0  # seconds without readiness until a workload is called failing; it goes on trying
CRASH_LOOP = 2  # ends in a row that make it failing


@dataclass(frozen=True)
class ReplicaView:
    """A replica as decisions see it. `current`: runs what is wanted now; `waiting`: seconds in this state."""

    ordinal: int
    state: str
    current: bool
    ever_ready: bool = False
    waiting: float = 0.0
    failures: int = 0
    restarts: int = 0
    reason: str = ""


@dataclass(frozen=True)
class Change:
    """Ordinals of replicas to start and to drain."""

    start: tuple[int, ...] = ()
    drain: tuple[int, ...] = ()


def decide(wanted: int, replicas: Sequence[ReplicaView]) -> Change:
    """Return what brings the replicas to `wanted` of the current kind."""
    alive = [replica for replica in replicas if replica.state != "draining"]
    current = sorted((r for r in alive if r.current), key=_worth)
    surplus, kept = current[wanted:], current[:wanted]
    used = {replica.ordinal for replica in replicas}
    free = (n for n in range(len(used) + wanted + 1) if n not in used)
    start = tuple(next(free) for _ in range(wanted - len(kept)))
    replaced = sum(replica.state == "ready" for replica in kept) >= wanted
    old = [replica for replica in alive if not replica.current] if replaced else []
    return Change(start, tuple(sorted(replica.ordinal for replica in [*surplus, *old])))


def workload_status(key: WorkloadKey, wanted: int, removed: bool, replicas: Sequence[ReplicaView]) -> WorkloadStatus:
    """Return the reading of a workload; its reason is that of the replica that is worst off."""
    current = [r for r in replicas if r.current and r.state != "draining"]
    ready = sum(replica.state == "ready" for replica in current)
    restarts = sum(replica.restarts for replica in current)
    if removed:
        reason = "; ".join(r.reason for r in replicas if r.reason)
        return WorkloadStatus(key, Health.STOPPING if replicas else Health.ABSENT, 0, 0, reason, restarts)
    if ready >= wanted:
        return WorkloadStatus(key, Health.READY, ready, wanted, "", restarts)
    unready = sorted((r for r in current if r.state != "ready"), key=lambda r: (r.failures, r.waiting), reverse=True)
    reason = unready[0].reason if unready else ""
    return WorkloadStatus(key, _health(ready, current, unready), ready, wanted, reason, restarts)


def _health(ready: int, current: Sequence[ReplicaView], unready: Sequence[ReplicaView]) -> Health:
    if ready == 0 and any(r.failures >= CRASH_LOOP or r.waiting >= GIVE_UP_AFTER for r in unready):
        return Health.FAILING
    if any(replica.ever_ready for replica in current):
        return Health.DEGRADED
    hopeless = any(replica.failures >= CRASH_LOOP for replica in unready)
    return Health.FAILING if hopeless else Health.STARTING


def _worth(replica: ReplicaView) -> tuple[bool, int]:
    """Sort ready replicas first, then low ordinals: the others are the ones to let go."""
    return (replica.state != "ready", replica.ordinal)
