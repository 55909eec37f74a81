"""Sweep: finds every row that is due, so that no lost message is ever missed. Neighbours: worker.sweeper, all flows."""

from __future__ import annotations

from collections.abc import Iterator

from delivery.deliveries import DeliveryState
from delivery.environments import EnvironmentState
from delivery.flows.operate_environment import mark_for_deletion
from delivery.flows.start_rollouts import ACTIVE
from delivery.flows.world import World
from delivery.rollouts.model import Phase, Rollout
from pipelines.runs import RUN_ENDED, JobState, RunState

_UNENDED = tuple(state for state in RunState if state not in RUN_ENDED)
_HOT = frozenset({Phase.DEPLOYING, Phase.PROMOTING, Phase.ROLLING_BACK})

Due = tuple[str, str]  # task and id


def due_rollouts(world: World) -> list[tuple[str, bool]]:
    """Return (id, hot) of rollouts to tick; hot ones wait for readiness or proxies, which change in milliseconds."""
    return [(rollout.id, _is_hot(rollout)) for rollout in world.store.rollouts.find(phase=ACTIVE)]


def _is_hot(rollout: Rollout) -> bool:
    return rollout.phase in _HOT or (rollout.phase is Phase.PROGRESSING and rollout.step_started_at is None)


def due_rows(world: World) -> Iterator[Due]:
    """Yield what else is due; marks environments whose lease has ended."""
    now = world.clock.now()
    for delivery in world.store.deliveries.find(state=DeliveryState.RECEIVED):
        yield "process_delivery", delivery.id
    active = {rollout.id for rollout in world.store.rollouts.find(phase=ACTIVE)}
    for run in world.store.runs.find(state=_UNENDED):
        # The last rollout to end wakes its run; one that is canceled sees to it that all are told.
        if run.cancel_requested or not active.intersection(run.rollouts):
            yield "advance_run", run.id
    for job in world.store.jobs.find(state=(JobState.QUEUED, JobState.RUNNING)):
        if job.state is JobState.QUEUED or job.lease_until <= now:
            yield "execute_job", job.id
    for environment in world.store.environments.find():
        if environment.state is EnvironmentState.DELETING:
            yield "reap_environment", environment.id
        elif environment.color and environment.expires_at is not None and environment.expires_at <= now:
            mark_for_deletion(world, environment, "colorlane", "its lease has ended")
    for status in world.store.statuses.find(sent_at=None):
        if status.retry_at <= now:
            yield "send_status", status.id
    for project in world.store.projects.find():
        if project.removing:
            yield "remove_project", project.name
