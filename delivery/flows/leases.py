"""Leases in flows: one actor at a time for a row or a subject. Neighbours: all flows that advance something.

A lease only spares double work and keeps order; safety comes from compare-and-set and from effects that are
harmless to repeat. So nothing breaks when a lease runs out under a slow step.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace

from delivery.errors import Conflict
from delivery.flows.world import World
from pipelines.runs import JobState


@contextmanager
def held(world: World, name: str, seconds: float | None = None) -> Iterator[bool]:
    """Hold the lease `name` inside the block if it is free; the block gets whether it is."""
    actor = f"{world.owner}#{uuid.uuid4().hex[:8]}"  # two threads of one process are two actors
    mine = world.store.claim(name, actor, seconds or world.limits.lease, world.clock.now())
    try:
        yield mine
    finally:
        if mine:
            world.store.release(name, actor)


def adopt(world: World, is_dead: Callable[[str], bool]) -> int:
    """Give back what dead processes of this machine still hold, leases and jobs; return how many there were."""
    dead = [owner for owner in world.store.owners() if is_dead(owner.partition("#")[0])]
    for owner in dead:
        world.store.release_all(owner)
    orphans = [job for job in world.store.jobs.find(state=JobState.RUNNING) if job.lease_until and is_dead(job.owner)]
    for job in orphans:
        with suppress(Conflict):  # another adopted it
            world.store.jobs.save(replace(job, lease_until=0.0))
            world.wake("execute_job", job.id)
    return len(dead) + len(orphans)
