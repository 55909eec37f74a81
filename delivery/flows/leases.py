"""Leases in flows: one actor at a time for a row or a subject. Neighbours: all flows that advance something.

A lease only spares double work and keeps order; safety comes from compare-and-set and from effects that are
harmless to repeat. So nothing breaks when a lease runs out under a slow step.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from delivery.flows.world import World


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
    """Give back what processes that died here still hold; return how many leases' owners and jobs that were."""
    dead = [owner for owner in world.store.owners() if is_dead(owner.partition("#")[0])]
    for owner in dead:
        world.store.release_all(owner)
    return len(dead)
