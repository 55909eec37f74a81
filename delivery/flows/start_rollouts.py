"""Start rollouts: one for each service whose version in the environment is not the release's. Neighbours: deploy_run.

Rollouts of one service in one environment stand in a queue: only the oldest that has not ended is advanced, the
newest is told to it as `newer`. What a rollout starts from (`stable`, its block of generations) is settled when its
turn comes, by `advance_rollout`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from delivery.environments import Environment
from delivery.errors import Conflict
from delivery.flows.world import World
from delivery.ports.builds import Target
from delivery.releases import Release
from delivery.rollouts.model import TERMINAL, Phase, Rollout
from pipelines.runs import Run

ACTIVE = tuple(phase for phase in Phase if phase not in TERMINAL)


def queue_of(world: World, environment: str, service: str) -> Sequence[Rollout]:
    """Return the rollouts of a service in an environment that have not ended, oldest first."""
    return world.store.rollouts.find(environment=environment, service=service, phase=ACTIVE)


def start_rollouts(
    world: World, run: Run, environment: Environment, target: Target, releases: Mapping[str, Release]
) -> list[Rollout]:
    """Return the rollouts this run waits for: new ones, and one of an earlier run that brings the same content."""
    found = [_rollout(world, run, environment, target, release) for release in releases.values()]
    return [rollout for rollout in found if rollout is not None]


def _rollout(world: World, run: Run, environment: Environment, target: Target, release: Release) -> Rollout | None:
    queue = queue_of(world, environment.id, release.service)
    if queue and queue[-1].candidate == release.version:
        return queue[-1]
    if not queue and environment.workloads.get(release.service) == release.version:
        return None
    rollout = Rollout(
        id=f"{run.id}.{release.service}",
        project=run.project,
        environment=environment.id,
        color=environment.color,
        service=release.service,
        stable=environment.workloads.get(release.service, ""),
        candidate=release.version,
        artifact=release.artifact,
        revision=run.revision,
        ref=run.ref,
        run=run.id,
        strategy=target.strategy,
        created_at=world.clock.now(),
        message=f"waits for {queue[0].candidate} to end" if queue else "",
    )
    try:
        return world.store.rollouts.add(rollout)
    except Conflict:
        return world.store.rollouts.get(rollout.id)
