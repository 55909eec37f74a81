"""Advance a rollout: a tick reads facts, decides, performs, saves; one that moved it is followed by another at once.

Effects come before the save: a crash in between repeats them, and each is harmless to repeat. Neighbours: read_facts,
begin_rollout, perform_effects, record_changes, delivery.rollouts (the pure part).
"""

from __future__ import annotations

from dataclasses import replace

import structlog

from delivery.environments import Environment, EnvironmentState
from delivery.errors import Conflict, NotFound
from delivery.flows.begin_rollout import begin_rollout, may_begin
from delivery.flows.leases import held
from delivery.flows.perform_effects import perform_effects
from delivery.flows.read_facts import read_facts
from delivery.flows.reap_environment import DELETED
from delivery.flows.record_changes import save_changes, supersede_rollout, wake_run
from delivery.flows.start_rollouts import queue_of
from delivery.flows.world import World
from delivery.rollouts.decide import decide
from delivery.rollouts.invariants import assert_sound
from delivery.rollouts.model import TERMINAL, Rollout

log = structlog.get_logger(__name__)

TICKS = 12  # in one call at most; more than any strategy moves without waiting for the world


def advance_rollout(world: World, id: str) -> None:
    """Tick until it waits for something. Raises Transient when platform or mesh are away."""
    with held(world, f"rollout/{id}") as mine:
        for _ in range(TICKS if mine else 0):
            try:
                if not _tick(world, world.store.rollouts.get(id)):
                    return
            except Conflict as error:  # an approval or a command came in between: look again
                log.debug("rollout moved", rollout=id, reason=error.message)


def _tick(world: World, rollout: Rollout) -> bool:
    """Return whether the next tick may find something to do at once."""
    if rollout.phase in TERMINAL:
        wake_run(world, rollout)
        return False
    environment = _environment(world, rollout)
    if environment is None:
        supersede_rollout(world, rollout, DELETED)
        return False
    queue = queue_of(world, rollout.environment, rollout.service)
    if queue and queue[0].id != rollout.id:
        return _wait_in_line(world, rollout, queue[0])
    if not rollout.generation:
        if not may_begin(world, rollout):
            return False
        rollout = begin_rollout(world, rollout, environment)
    facts = read_facts(world, rollout, newer=queue[-1].candidate if len(queue) > 1 else "")
    decision = decide(rollout, facts, world.clock.now())
    assert_sound(rollout, facts, decision)
    after = perform_effects(world, decision)
    if after == rollout:
        return False
    saved = save_changes(world, rollout, after)
    if saved.phase in TERMINAL:
        wake_run(world, saved)
        for waiting in queue[1:2]:
            world.wake("advance_rollout", waiting.id)
        return False
    return (saved.phase, saved.step, saved.generation) != (rollout.phase, rollout.step, rollout.generation)


def _environment(world: World, rollout: Rollout) -> Environment | None:
    try:
        environment = world.store.environments.get(rollout.environment)
    except NotFound:
        return None
    return environment if environment.state is EnvironmentState.ACTIVE else None


def _wait_in_line(world: World, rollout: Rollout, first: Rollout) -> bool:
    waits = (f"the rollout of {first.candidate} to end",)
    if rollout.waiting_on != waits:
        world.store.rollouts.save(replace(rollout, waiting_on=waits))
    return False
