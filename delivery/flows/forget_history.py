"""Forget history: what nobody will ask for again goes: old events, old deliveries with their bodies, logs of old runs.

Runs, rollouts and releases stay: they are small, and they say what ran when. Neighbours: worker.sweeper (asks rarely),
collect_artifacts (the files of builds).
"""

from __future__ import annotations

import shutil
from pathlib import Path

import structlog

from delivery.deliveries import DeliveryState
from delivery.errors import NotFound
from delivery.flows.world import World
from pipelines.runs import RUN_ENDED

log = structlog.get_logger(__name__)

BATCH = 200  # deliveries looked at in one go: a body may have megabytes
_ENDED = (DeliveryState.PROCESSED, DeliveryState.IGNORED)


def forget_history(world: World) -> None:
    """Delete what is older than `limits.history`, and the oldest logs above `limits.log_bytes`; again is harmless."""
    before = world.clock.now() - world.limits.history
    events = world.store.forget_events(before)
    deliveries = _forget_deliveries(world, before)
    logs = _forget_logs(world, before)
    if events or deliveries or logs:
        log.info("history forgotten", events=events, deliveries=deliveries, logs=logs)


def _forget_deliveries(world: World, before: float) -> int:
    """Delete what has been acted on. A host that repeats one so late finds its branch acted on, or a newer one."""
    gone = 0
    while True:
        batch = world.store.deliveries.find(state=_ENDED, limit=BATCH)
        old = [delivery.id for delivery in batch if delivery.received_at < before]
        for id in old:
            world.store.deliveries.delete(id)
        gone += len(old)
        if len(old) < BATCH:
            return gone


def _forget_logs(world: World, before: float) -> int:
    """Delete logs of runs that have ended: those that are old, then the oldest until the rest is small enough."""
    root = world.logs / "runs"
    found = sorted((*_measured(folder), folder) for folder in root.iterdir()) if root.is_dir() else []
    total, gone = sum(size for _, size, _ in found), 0
    for written, size, folder in found:
        if written >= before and total <= world.limits.log_bytes:
            break
        if _has_ended(world, folder.name):
            shutil.rmtree(folder, ignore_errors=True)
            total, gone = total - size, gone + 1
    return gone


def _measured(folder: Path) -> tuple[float, int]:
    """Return when something was written last, and the bytes of all."""
    stats = [path.stat() for path in (folder, *folder.rglob("*"))]
    return max(stat.st_mtime for stat in stats), sum(stat.st_size for stat in stats)


def _has_ended(world: World, run: str) -> bool:
    try:
        return world.store.runs.get(run).state in RUN_ENDED
    except NotFound:
        return True
