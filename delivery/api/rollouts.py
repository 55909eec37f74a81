"""Rollouts: list, show, watch, and what people and programs may ask of one.

Neighbours: flows.operate_rollout, streams.
"""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Header, Path, Query
from fastapi.responses import StreamingResponse
from starlette.concurrency import run_in_threadpool

from delivery.api.context import Ctx, Here
from delivery.api.paging import Page, Wanted, page_of
from delivery.api.rolloutshapes import Order, RolloutShape, show_rollout
from delivery.api.streams import rollout_stream, stream
from delivery.flows.operate_rollout import approve_rollout, operate_rollout
from delivery.flows.world import World
from delivery.rollouts.model import TERMINAL, Phase

router = APIRouter(prefix="/rollouts", tags=["rollouts"])

Id = Annotated[str, Path(max_length=200)]
ProjectQuery = Annotated[str, Query(max_length=63)]


@router.get("")
def list_rollouts(
    world: Here,
    wanted: Wanted,
    project: ProjectQuery = "",
    service: Annotated[str, Query(max_length=63)] = "",
    environment: Annotated[str, Query(max_length=128, description="Id: <project>/<name>")] = "",
    phase: Phase | None = None,
    active: Annotated[bool, Query(description="Only those that have not ended")] = False,
) -> Page[RolloutShape]:
    """List rollouts, newest first."""
    wanted_phases = tuple(each for each in Phase if each not in TERMINAL) if active and phase is None else phase
    filters: dict[str, Any] = {
        "project": project,
        "service": service,
        "environment": environment,
        "phase": wanted_phases,
    }
    return page_of(world.store.rollouts, wanted, show_rollout, **filters)


@router.get("/{id}")
def show(id: Id, world: Here) -> RolloutShape:
    """Show one rollout."""
    return show_rollout(world.store.rollouts.get(id))


@router.get("/{id}/events", response_class=StreamingResponse)
async def events(id: Id, ctx: Ctx, last_event_id: Annotated[int, Header(ge=0, le=2**62)] = 0) -> StreamingResponse:
    """Watch one rollout: server-sent events `rollout` (its state, at each change), `event` (its trail) and `end`."""
    await run_in_threadpool(ctx.world.store.rollouts.get, id)
    ctx.seats.check()
    return stream(ctx.seats.seated(rollout_stream(ctx.world, id, last_event_id, ctx.options.poll)))


@router.post("/{id}/approve")
def approve(id: Id, order: Order, world: Here) -> RolloutShape:
    """Say yes to the step that waits. 409 when the rollout has moved on since the caller looked."""
    return _decide(world, id, order, approved=True)


@router.post("/{id}/reject")
def reject(id: Id, order: Order, world: Here) -> RolloutShape:
    """Say no to the step that waits: the rollout is rolled back."""
    return _decide(world, id, order, approved=False)


@router.post("/{id}/promote")
def promote(id: Id, order: Order, world: Here) -> RolloutShape:
    """Skip all further steps and promote the candidate now."""
    return _command(world, id, "promote", order)


@router.post("/{id}/abort")
def abort(id: Id, order: Order, world: Here) -> RolloutShape:
    """Roll back now."""
    return _command(world, id, "abort", order)


@router.post("/{id}/retry")
def retry(id: Id, order: Order, world: Here) -> RolloutShape:
    """Try a rolled back release again."""
    return _command(world, id, "retry", order)


@router.post("/{id}/pause")
def pause(id: Id, order: Order, world: Here) -> RolloutShape:
    """Hold the rollout where it is; weights stay."""
    return _command(world, id, "pause", order)


@router.post("/{id}/resume")
def resume(id: Id, order: Order, world: Here) -> RolloutShape:
    """Go on after a pause."""
    return _command(world, id, "resume", order)


def _decide(world: World, id: str, order: Order, *, approved: bool) -> RolloutShape:
    rollout = approve_rollout(
        world,
        id,
        order.by,
        approved,
        comment=order.comment,
        revision=order.revision,
        artifact=order.artifact,
        step=order.step,
    )
    return show_rollout(rollout)


def _command(world: World, id: str, verb: str, order: Order) -> RolloutShape:
    return show_rollout(operate_rollout(world, id, verb, order.by, reason=order.comment))
