"""Operate a rollout: what people and programs may ask of it, each kept with who and when.

The order is put into the row and acted on by the next tick, so it survives whatever happens to this process.
Neighbours: API, rollouts.orders (pure).
"""

from __future__ import annotations

from dataclasses import replace

from delivery.environments import EnvironmentState
from delivery.errors import Conflict, NotFound
from delivery.flows.make_releases import release_id
from delivery.flows.start_rollouts import queue_of
from delivery.flows.updates import update
from delivery.flows.world import World
from delivery.ports.store import Event
from delivery.rollouts.model import Approval, Command, Rollout
from delivery.rollouts.orders import retried, with_approval, with_command

UNBEGUN = 0  # the block of generations and the stable version are settled when the rollout's turn comes


def operate_rollout(world: World, id: str, verb: str, actor: str, *, reason: str = "") -> Rollout:
    """Carry out `verb` (promote, abort, pause, resume; retry makes and returns a new rollout).

    Raises NotFound, Rejected for an unknown verb, Conflict when the rollout has moved on.
    """
    if verb == "retry":
        return _retry(world, id, actor, reason)
    command = Command(verb, actor, world.clock.now(), reason)
    rollout = update(
        world.store.rollouts,
        id,
        lambda row: with_command(row, command),
        lambda row: [world.event(row.project, f"rollout/{id}", f"rollout.{verb}", reason or verb, actor)],
    )
    world.wake("advance_rollout", id)
    return rollout


def approve_rollout(
    world: World,
    id: str,
    actor: str,
    approved: bool,
    *,
    comment: str = "",
    revision: str = "",
    artifact: str = "",
    step: int | None = None,
) -> Rollout:
    """Say yes or no to the step under way; what the caller looked at may be given, and a mismatch is refused.

    Raises NotFound, Conflict.
    """
    now = world.clock.now()

    def decided(row: Rollout) -> Rollout:
        seen_step = row.step if step is None else step
        approval = Approval(
            actor, approved, seen_step, revision or row.revision, artifact or row.artifact, now, comment
        )
        return with_approval(row, approval)

    verb = "approved" if approved else "rejected"

    def said(row: Rollout) -> list[Event]:
        text = f"step {row.step + 1} {verb}" + (f": {comment}" if comment else "")
        return [world.event(row.project, f"rollout/{id}", f"rollout.{verb}", text, actor, revision=row.revision)]

    rollout = update(world.store.rollouts, id, decided, said)
    world.wake("advance_rollout", id)
    return rollout


def _retry(world: World, id: str, actor: str, reason: str) -> Rollout:
    """Try the same release again: an explicit human act, so it lifts the quarantine."""
    old = world.store.rollouts.get(id)
    try:
        environment = world.store.environments.get(old.environment)
    except NotFound:
        environment = None
    if environment is None or environment.state is not EnvironmentState.ACTIVE:
        raise Conflict(f"{old.environment} is gone", field="environment", value=old.environment, remedy="push again")
    if queue := queue_of(world, old.environment, old.service):
        raise Conflict(
            f"{queue[-1].id} is under way", field="rollout", value=id, remedy="wait for it to end, or abort it"
        )
    first = old.id.partition("~")[0]  # tries are numbered from the first on, whichever of them is repeated
    new = f"{first}~{world.store.next_generation(f'retry/{first}')}"
    fresh = retried(old, new, UNBEGUN, world.clock.now())
    release = release_id(old.project, old.service, old.candidate)
    update(world.store.releases, release, lambda row: replace(row, quarantined=""))
    added = world.store.rollouts.add(fresh)
    world.tell(old.project, f"rollout/{id}", "rollout.retry", reason or f"tried again as {new}", actor, retry=new)
    world.wake("advance_rollout", new)
    return added
