"""Operate a run: cancel it, supersede it, or run its commit again. Neighbours: API, process_delivery."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace

from delivery.errors import Conflict
from delivery.flows.operate_rollout import operate_rollout
from delivery.flows.report_run import end_run
from delivery.flows.start_run import run_id, start_run
from delivery.flows.updates import update
from delivery.flows.world import World
from delivery.rollouts.model import TERMINAL
from pipelines.runs import RUN_ENDED, Run, RunState

_DEPLOYED = RUN_ENDED | {RunState.DEPLOYING}


def cancel_run(world: World, id: str, actor: str) -> Run:
    """End the run; one that deploys already has its rollouts aborted and ends with them. Raises NotFound, Conflict."""
    run = update(
        world.store.runs,
        id,
        lambda run: run if run.state in RUN_ENDED else replace(run, cancel_requested=True),
        lambda run: [world.event(run.project, f"run/{id}", "run.cancel", "canceled", actor)],
    )
    if run.state in RUN_ENDED:
        raise Conflict(f"run {id} has ended: {run.state.value}", field="state", value=run.state.value)
    if run.state is not RunState.DEPLOYING or not run.rollouts:
        return end_run(world, id, RunState.CANCELED, f"canceled by {actor or 'somebody'}")
    abort_rollouts(world, run, actor)
    return world.store.runs.get(id)


def abort_rollouts(world: World, run: Run, actor: str) -> None:
    """Abort what is under way of a run that was canceled; again is harmless."""
    for id in run.rollouts:
        rollout = world.store.rollouts.get(id)
        asked = any(command.verb == "abort" for command in rollout.commands)
        if rollout.phase not in TERMINAL and not asked:
            with suppress(Conflict):  # it is rolling back, or promoted, already
                operate_rollout(world, id, "abort", actor, reason="the run was canceled")


def supersede(world: World, newer: Run) -> None:
    """End older runs of the same ref that have not deployed yet."""
    waiting = (RunState.QUEUED, RunState.BUILDING)
    for run in world.store.runs.find(project=newer.project, ref=newer.ref, state=waiting):
        if run.number < newer.number:
            message = f"superseded by run {newer.number} ({newer.revision[:12]})"
            end_run(world, run.id, RunState.SUPERSEDED, message, unless=_DEPLOYED)


def retry_run(world: World, id: str, actor: str) -> Run:
    """Return the new run. Raises NotFound, Conflict when the old one has not ended."""
    old = world.store.runs.get(id)
    if old.state not in RUN_ENDED:
        raise Conflict(f"run {id} is {old.state.value}", field="state", value=old.state.value, remedy="cancel it first")
    project = world.store.projects.get(old.project)
    new = run_id(old.project, world.store.next_generation(f"run/{old.project}"))
    world.tell(old.project, f"run/{id}", "run.retry", f"retried as run {new}", actor)
    return start_run(world, project, new, old.ref, old.branch, old.revision, actor or old.author)
