"""Gather builds: a run whose jobs have all succeeded deploys; the first red one ends it."""

from __future__ import annotations

from dataclasses import replace

from delivery.flows.report_run import end_run, report_run
from delivery.flows.world import World
from pipelines.runs import JobState, Run, RunState


def gather_builds(world: World, run: Run) -> bool:
    """Return whether the run may go on now. Raises Conflict when it was changed meanwhile."""
    jobs = world.store.jobs.find(run=run.id)
    red = [job for job in jobs if job.state in (JobState.FAILED, JobState.CANCELED)]
    if red:
        message = "; ".join(f"{job.service}: {job.message or job.state.value}" for job in red)
        end_run(world, run.id, RunState.FAILED, message)
        return False
    if any(job.state is not JobState.SUCCEEDED for job in jobs):
        return False
    report_run(world, world.store.runs.save(replace(run, state=RunState.DEPLOYING)))
    return True
