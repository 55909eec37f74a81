"""Collect artifacts nobody can need without building again: keeps what runs, what is rolled out, and what is newest.

An artifact that is collected too early costs a build, never a wrong deployment: releases name content.
"""

from __future__ import annotations

from delivery.errors import NotFound
from delivery.flows.make_releases import release_id
from delivery.flows.start_rollouts import ACTIVE
from delivery.flows.world import World
from pipelines.runs import RUN_ENDED, JobState, RunState

KEPT = 20  # newest releases of production and previews a project keeps for going back fast
_UNENDED = tuple(state for state in RunState if state not in RUN_ENDED)


def collect_artifacts(world: World) -> int:
    """Return how many were deleted."""
    keep: set[str] = set()
    for environment in world.store.environments.find():
        keep |= {
            artifact
            for service, version in environment.workloads.items()
            if (artifact := _artifact(world, environment.project, service, version))
        }
    keep |= {rollout.artifact for rollout in world.store.rollouts.find(phase=ACTIVE)}
    for project in world.store.projects.find():
        default = f"refs/heads/{project.default_branch}"
        releases = world.store.releases.find(project=project.name, newest_first=True, limit=KEPT * 10)
        keep |= {release.artifact for release in [row for row in releases if row.ref == default][:KEPT]}
    for run in world.store.runs.find(state=_UNENDED):
        for key in run.keys.values():
            jobs = world.store.jobs.find(project=run.project, key=key, state=JobState.SUCCEEDED)
            keep |= {job.artifact for job in jobs}
    return world.builds.collect(frozenset(keep))


def _artifact(world: World, project: str, service: str, version: str) -> str:
    try:
        return world.store.releases.get(release_id(project, service, version)).artifact
    except NotFound:
        return ""
