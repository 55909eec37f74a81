"""Operate an environment: extend its lease, or mark it for deletion, which `reap_environment` carries out.

Neighbours: API, process_delivery (deleted branches), sweep (leases that ended).
"""

from __future__ import annotations

from dataclasses import replace

from delivery.environments import Environment, EnvironmentState
from delivery.errors import Rejected
from delivery.flows.report_run import end_run
from delivery.flows.updates import update
from delivery.flows.world import World
from pipelines.runs import RUN_ENDED, RunState

_UNENDED = tuple(state for state in RunState if state not in RUN_ENDED)


def delete_environment(world: World, id: str, actor: str, reason: str = "") -> Environment:
    """Mark the environment for deletion; again is harmless. Raises NotFound, Rejected for production."""
    environment = world.store.environments.get(id)
    if not environment.color:
        raise Rejected(
            f"{id} is the baseline of the project", field="environment", value=id, remedy="remove the project instead"
        )
    return mark_for_deletion(world, environment, actor, reason or f"deleted by {actor or 'somebody'}")


def delete_branch(world: World, project: str, branch: str, by: str) -> None:
    """End what a branch had: its runs and its environment."""
    for run in world.store.runs.find(project=project, branch=branch, state=_UNENDED):
        end_run(world, run.id, RunState.CANCELED, f"branch {branch} was deleted")
    for environment in world.store.environments.find(project=project, branch=branch):
        if environment.color:
            mark_for_deletion(world, environment, by, f"branch {branch} was deleted")


def mark_for_deletion(world: World, environment: Environment, actor: str, reason: str) -> Environment:
    """Set it DELETING, record why, and wake what ends and removes it."""
    id, text = environment.id, f"{environment.name}: {reason}"
    marked = update(
        world.store.environments,
        id,
        lambda row: replace(row, state=EnvironmentState.DELETING),
        lambda row: [world.event(row.project, f"environment/{id}", "environment.deleting", text, actor)],
    )
    world.wake("reap_environment", environment.id)
    return marked


def extend_environment(world: World, id: str, seconds: float, actor: str) -> Environment:
    """Let the lease end no sooner than `seconds` from now. Raises NotFound, Rejected."""
    if not seconds > 0:
        raise Rejected(f"cannot extend by {seconds:g} s", field="for", value=seconds, remedy="give a time above 0")
    until = world.clock.now() + seconds

    def extended(row: Environment) -> Environment:
        if row.state is not EnvironmentState.ACTIVE:
            raise Rejected(f"{id} is being deleted", field="environment", value=id, remedy="push the branch again")
        return row if row.expires_at is None else replace(row, expires_at=max(row.expires_at, until))

    return update(
        world.store.environments,
        id,
        extended,
        lambda row: [
            world.event(row.project, f"environment/{id}", "environment.extended", f"for {seconds:g} s", actor)
        ],
    )
