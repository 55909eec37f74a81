"""Begin a rollout: only when a run has it among its own, so that a run that was canceled meanwhile deploys nothing.

A retry takes the place of the rollout it repeats, and the runs that had that one go on with it: a run, and with it the
status of its commit, follows the newest rollouts. Neighbours: advance_rollout, deploy_run, operate_rollout, finish_run.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

from delivery.environments import Environment
from delivery.errors import NotFound
from delivery.flows.make_releases import release_id
from delivery.flows.record_changes import supersede_rollout
from delivery.flows.report_run import report_run
from delivery.flows.updates import update
from delivery.flows.withdraw_services import new_generation
from delivery.flows.world import World
from delivery.rollouts.model import Rollout
from pipelines.runs import RUN_ENDED, Run, RunState

RECENT = 50  # runs of a project that may wait for a rollout of an earlier one


def may_begin(world: World, rollout: Rollout) -> bool:
    """Return whether a run has it; one that was started for a run that ended without it ends here. Raises Conflict."""
    runs = world.store.runs.find(project=rollout.project, newest_first=True, limit=RECENT)
    if rollout.retry_of:
        _take_up(world, rollout, runs)
        return True
    if any(rollout.id in run.rollouts for run in runs):
        return True
    try:
        own = world.store.runs.get(rollout.run)
    except NotFound:
        return True
    if own.state in RUN_ENDED and rollout.id not in own.rollouts:
        supersede_rollout(world, rollout, f"run {own.number} was {own.state.value} before it began")
    return rollout.id in own.rollouts


def _take_up(world: World, rollout: Rollout, recent: Sequence[Run]) -> None:
    """Let every run that had an earlier try wait for this one."""
    for run in recent:
        if rollout.id not in run.rollouts and (_had(run, rollout) or _refused_it(run, rollout)):
            report_run(
                world, update(world.store.runs, run.id, partial(_reopened, rollout, _quarantined(world, run, rollout)))
            )


def _had(run: Run, rollout: Rollout) -> bool:
    return any(_first(id) == _first(rollout.id) for id in run.rollouts)


def _refused_it(run: Run, rollout: Rollout) -> bool:
    """Tell whether the run failed because the release was quarantined, which the retry has lifted.

    A way back is no run's rollout, and a run that failed long ago is not taken up by trying it again.
    """
    if not rollout.run:
        return False
    release = release_id(rollout.project, rollout.service, rollout.candidate)
    same = run.ref == rollout.ref and run.releases.get(rollout.service) == release
    return same and run.state is RunState.FAILED


def _first(id: str) -> str:
    """Return the id of the first of all tries."""
    return id.partition("~")[0]


def _reopened(rollout: Rollout, refused: str, run: Run) -> Run:
    rollouts = (*(id for id in run.rollouts if _first(id) != _first(rollout.id)), rollout.id)
    return replace(
        run, state=RunState.DEPLOYING, rollouts=rollouts, message=refused, cancel_requested=False, ended_at=None
    )


def _quarantined(world: World, run: Run, rollout: Rollout) -> str:
    """Return what else is quarantined and has no rollout in this run, or ""."""
    served = {rollout.service, *(_first(id).rpartition(".")[2] for id in run.rollouts)}
    found = [world.store.releases.get(id) for service, id in run.releases.items() if service not in served]
    return "; ".join(f"{each.service} {each.version} is quarantined" for each in found if each.quarantined)


def begin_rollout(world: World, rollout: Rollout, environment: Environment) -> Rollout:
    """Settle what the rollout starts from, now that its turn has come, and save it before anything is asked for."""
    scope = (rollout.project, rollout.service, rollout.color)
    generation = new_generation(world, *scope)
    known = world.traffic.state(*scope).generation
    while generation <= known:  # the database was restored from a backup older than the mesh's memory
        generation = new_generation(world, *scope)
    now = world.clock.now()
    stable = environment.workloads.get(rollout.service, "")
    begun = replace(rollout, stable=stable, generation=generation, phase_started_at=now, message="", waiting_on=())
    against = f"against {stable}" if stable else "as the first release"
    text = f"{rollout.service} {rollout.candidate} {against} in {environment.name}"
    event = world.event(rollout.project, f"rollout/{rollout.id}", "rollout.started", text)
    return world.store.rollouts.save(begun, [event])
