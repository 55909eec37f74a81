"""Report a run: its state in the words of the Git host, and how it ends. Neighbours: all flows that move runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

import structlog

from delivery.flows.tell_commit import tell_commit
from delivery.flows.updates import update
from delivery.flows.world import World
from delivery.ports.forge import CommitState
from delivery.ports.store import Event
from pipelines.runs import JOB_ENDED, RUN_ENDED, JobState, Run, RunState

log = structlog.get_logger(__name__)

STATUS_NAME = "colorlane"
_WORDS: Mapping[RunState, CommitState] = MappingProxyType(
    {
        RunState.QUEUED: CommitState.PENDING,
        RunState.BUILDING: CommitState.RUNNING,
        RunState.DEPLOYING: CommitState.RUNNING,
        RunState.SUCCEEDED: CommitState.SUCCESS,
        RunState.FAILED: CommitState.FAILED,
        RunState.CANCELED: CommitState.CANCELED,
        RunState.SUPERSEDED: CommitState.CANCELED,
    }
)


def report_run(world: World, run: Run) -> None:
    """Tell the commit how its newest run stands; an older run of the same commit no longer speaks."""
    newest = world.store.runs.find(project=run.project, revision=run.revision, newest_first=True, limit=1)
    if newest and newest[0].number > run.number:
        return
    text = run.message.splitlines()[0] if run.message else f"run {run.number} is {run.state.value}"
    url = f"{world.api_url}/#run/{run.id}"
    tell_commit(world, run.project, run.revision, run.ref, STATUS_NAME, _WORDS[run.state], text, url)


def end_run(world: World, id: str, state: RunState, message: str, unless: frozenset[RunState] = RUN_ENDED) -> Run:
    """End the run as `state` for the stated reason, unless it is in one of the states `unless`; stop its jobs.

    The commit is told first: nobody looks at an ended run again, so a crash after the save would leave it untold.
    """
    now = world.clock.now()

    def ended(run: Run) -> Run:
        return run if run.state in unless else replace(run, state=state, message=message, ended_at=now)

    report_run(world, ended(world.store.runs.get(id)))

    def said(run: Run) -> list[Event]:
        return [world.event(run.project, f"run/{id}", f"run.{state.value}", message or state.value)]

    run = update(world.store.runs, id, ended, said)
    report_run(world, run)  # another may have ended it otherwise in between
    if (run.state, run.ended_at) == (state, now):
        stop_jobs(world, run)
        log.info("run ended", run=id, state=state.value, message=message)
    return run


def stop_jobs(world: World, run: Run) -> None:
    """Cancel the jobs nobody runs yet; running ones, and any that a crash leaves out here, notice by themselves."""
    now = world.clock.now()
    for job in world.store.jobs.find(run=run.id):
        if job.state in JOB_ENDED:
            continue
        update(
            world.store.jobs,
            job.id,
            lambda row: (
                replace(row, state=JobState.CANCELED, message=f"the run is {run.state.value}", ended_at=now)
                if row.state is JobState.QUEUED
                else row
            ),
        )
