"""Remove a project: its environments end first, as always; when the last is gone, so are route, refs and row."""

from __future__ import annotations

from dataclasses import replace

from delivery.errors import NotFound
from delivery.flows.operate_environment import mark_for_deletion
from delivery.flows.report_run import end_run
from delivery.flows.updates import update
from delivery.flows.world import World
from delivery.projects import Project
from pipelines.runs import RUN_ENDED, RunState

_UNENDED = tuple(state for state in RunState if state not in RUN_ENDED)


def remove_project(world: World, name: str, actor: str = "") -> Project:
    """Begin the removal; again is harmless. Raises NotFound."""
    project = update(world.store.projects, name, lambda row: replace(row, removing=True))
    world.tell(name, f"project/{name}", "project.removing", "removal asked for", actor)
    for run in world.store.runs.find(project=name, state=_UNENDED):
        end_run(world, run.id, RunState.CANCELED, "the project is being removed")
    for environment in world.store.environments.find(project=name):
        mark_for_deletion(world, environment, actor, "the project is being removed")
    world.wake("remove_project", name)
    return project


def finish_removal(world: World, name: str) -> None:
    """Forget the project once nothing of it runs. History (runs, releases, trail) stays."""
    try:
        project = world.store.projects.get(name)
    except NotFound:
        return
    if not project.removing or world.store.environments.find(project=name, limit=1):
        return
    world.traffic.remove_project(name)
    for head in world.store.heads.find(project=name, limit=100_000):
        world.store.heads.delete(head.id)
    world.forge(project).forget(project)
    world.store.projects.delete(name)
    world.tell(name, f"project/{name}", "project.removed", "nothing of it runs any more")
