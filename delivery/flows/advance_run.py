"""Advance a run: takes as many steps as can be taken now: plan, wait for builds, deploy, end. Neighbours: the steps."""

from __future__ import annotations

import structlog

from delivery.errors import Broken, Conflict, Rejected
from delivery.flows.deploy_run import deploy_run
from delivery.flows.finish_run import finish_run
from delivery.flows.gather_builds import gather_builds
from delivery.flows.leases import held
from delivery.flows.plan_run import plan_run
from delivery.flows.report_run import end_run
from delivery.flows.world import World
from pipelines.runs import RUN_ENDED, Run, RunState

log = structlog.get_logger(__name__)


def advance_run(world: World, id: str) -> None:
    """Move the run on until it waits for something. Raises Transient when a part of the world is away."""
    with held(world, f"run/{id}") as mine:
        while mine:
            run = world.store.runs.get(id)
            if run.state in RUN_ENDED or not _step(world, run):
                return


def _step(world: World, run: Run) -> bool:
    """Take one step; return whether the next may be tried at once. What the user has to mend ends the run."""
    if run.cancel_requested and not run.rollouts:  # asked for while the run was about to deploy
        end_run(world, run.id, RunState.CANCELED, "canceled")
        return False
    try:
        match run.state:
            case RunState.QUEUED:
                return plan_run(world, run)
            case RunState.BUILDING:
                return gather_builds(world, run)
            case _:
                return finish_run(world, run) if run.rollouts else deploy_run(world, run)
    except Conflict as error:  # the row moved while we worked; the next look takes it from where it is
        log.debug("run moved", run=run.id, reason=error.message)
        world.wake("advance_run", run.id)
        return False
    except Broken as error:  # no look will ever find it mended; the log has the rest
        log.exception("run broken", run=run.id, state=run.state.value)
        end_run(world, run.id, RunState.FAILED, f"a bug of Colorlane, or of its installation: {error}")
        return False
    except Rejected as error:
        log.info("run refused", run=run.id, state=run.state.value, reason=error.message)
        message = f"{error.message} ({error.remedy})" if error.remedy not in error.message else error.message
        end_run(world, run.id, RunState.FAILED, message)
        return False
