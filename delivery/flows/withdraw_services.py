"""Withdraw services from a preview: what the branch no longer changes is answered by the base again."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace

from delivery.environments import Environment
from delivery.errors import Conflict
from delivery.flows.operate_rollout import operate_rollout
from delivery.flows.start_rollouts import queue_of
from delivery.flows.updates import update
from delivery.flows.world import World
from delivery.rollouts.model import first_generation
from delivery.workloads import WorkloadKey


def traffic_scope(project: str, service: str, color: str) -> str:
    """Return the name under which generations of intents and workloads of a service in a lane are numbered."""
    return f"traffic/{project}/{service}/{color}"


def new_generation(world: World, project: str, service: str, color: str) -> int:
    """Return the first of a block of generations newer than all before for this service in this lane."""
    return first_generation(world.store.next_generation(traffic_scope(project, service, color)))


def withdraw_services(world: World, environment: Environment, keep: frozenset[str]) -> None:
    """Take every service that is not in `keep` out of the lane: routes first, then processes."""
    for service, version in environment.workloads.items():
        if service not in keep:
            _withdraw(world, environment, service, version)


def _withdraw(world: World, environment: Environment, service: str, version: str) -> None:
    for rollout in queue_of(world, environment.id, service):
        with suppress(Conflict):  # it is on its way out, or in, already
            operate_rollout(world, rollout.id, "abort", "colorlane", reason="the branch no longer changes it")
    generation = new_generation(world, environment.project, service, environment.color)
    world.traffic.remove_intent(environment.project, service, environment.color, generation)
    key = WorkloadKey(environment.project, service, environment.color, version)
    try:
        world.platform.remove(key, generation)
    except Conflict:
        return  # something newer was deployed meanwhile
    update(
        world.store.environments,
        environment.id,
        lambda row: replace(row, workloads={name: v for name, v in row.workloads.items() if name != service}),
    )
    text = f"{service} equals the base again and was withdrawn"
    world.tell(environment.project, f"environment/{environment.id}", "environment.withdrawn", text)
