"""Reap an environment: routes are withdrawn first, then workloads stop, then the colour is forgotten, then the row.

Each call does what can be done now and returns; the sweeper calls again until nothing is left. The last event says
"0 processes, 0 routes, 0 files left" only when platform and mesh have said so themselves.
Neighbours: operate_environment, collect_artifacts, remove_project.
"""

from __future__ import annotations

import structlog

from delivery.environments import Environment, EnvironmentState
from delivery.errors import Conflict, NotFound
from delivery.flows.collect_artifacts import collect_artifacts
from delivery.flows.leases import held
from delivery.flows.record_changes import supersede_rollout
from delivery.flows.start_rollouts import ACTIVE
from delivery.flows.withdraw_services import new_generation
from delivery.flows.world import World
from delivery.workloads import Health, WorkloadStatus

log = structlog.get_logger(__name__)

DELETED = "its environment was deleted"
_GOING = frozenset({Health.STOPPING, Health.ABSENT})


def reap_environment(world: World, id: str) -> None:
    """Take the next steps of its end. Raises Transient when platform or mesh are away."""
    with held(world, f"environment/{id}") as mine:
        try:
            environment = world.store.environments.get(id)
        except NotFound:
            return
        if not mine or environment.state is not EnvironmentState.DELETING:
            return
        _end_rollouts(world, environment)
        services = _services(world, environment)
        if not _routes_gone(world, environment, services) or not _workloads_gone(world, environment):
            return
        _forget(world, environment, len(services))


def _end_rollouts(world: World, environment: Environment) -> None:
    """Nobody may deploy into it any more; a tick that is under way loses its compare-and-set."""
    for rollout in world.store.rollouts.find(environment=environment.id, phase=ACTIVE):
        try:
            supersede_rollout(world, rollout, DELETED)
        except Conflict:
            log.debug("rollout moved", rollout=rollout.id)


def _workloads(world: World, environment: Environment) -> list[WorkloadStatus]:
    return [status for status in world.platform.list(environment.project) if status.key.color == environment.color]


def _services(world: World, environment: Environment) -> list[str]:
    """Return every service that may have a route or a process here, whoever left it."""
    rolled = {rollout.service for rollout in world.store.rollouts.find(environment=environment.id)}
    running = {status.key.service for status in _workloads(world, environment)}
    return sorted({*environment.workloads, *rolled, *running})


def _routes_gone(world: World, environment: Environment, services: list[str]) -> bool:
    gone = True
    for service in services:
        lane = (environment.project, service, environment.color)
        state = world.traffic.state(*lane)
        if not state.withdrawn:
            try:
                world.traffic.remove_intent(*lane, new_generation(world, *lane))
            except Conflict:
                log.info("intent is newer than ours; asked again with the next", lane="/".join(lane))
            state = world.traffic.state(*lane)
        gone = gone and state.withdrawn and state.programmed
    return gone


def _workloads_gone(world: World, environment: Environment) -> bool:
    """Ask each workload to stop once; the platform drains it by itself."""
    left = _workloads(world, environment)
    for status in left:
        if status.health not in _GOING:
            key = status.key
            world.platform.remove(key, new_generation(world, key.project, key.service, key.color))
    return not any(status.health is not Health.ABSENT for status in _workloads(world, environment))


def _forget(world: World, environment: Environment, services: int) -> None:
    if environment.color:
        world.traffic.remove_environment(environment.project, environment.color)
    world.store.environments.delete(environment.id)
    files = collect_artifacts(world)
    text = f"{environment.name} is gone: 0 processes, 0 routes, 0 files left"
    world.tell(
        environment.project,
        f"environment/{environment.id}",
        "environment.deleted",
        text,
        services=services,
        artifacts_collected=files,
    )
    log.info("environment gone", environment=environment.id, services=services, artifacts=files)
    world.wake("remove_project", environment.project)
