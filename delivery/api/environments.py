"""Environments: where changes run; show, extend the lease, delete. Neighbours: flows.operate_environment.

An environment's id is `<project>/<name>`; a bare `{name}` needs `?project=` unless one project only has such a name.
"""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, ConfigDict, Field

from delivery.api.context import Here
from delivery.api.paging import Page, Wanted, page_of
from delivery.api.shapes import EnvironmentShape, WorkloadShape, show_environment
from delivery.environments import Environment, read_duration
from delivery.errors import NotFound, Rejected
from delivery.flows.operate_environment import delete_environment, extend_environment
from delivery.flows.world import World

router = APIRouter(prefix="/environments", tags=["environments"])

Name = Annotated[str, Path(max_length=63)]
ProjectQuery = Annotated[str, Query(max_length=63, description="Needed where two projects have such an environment")]
By = Annotated[str, Query(max_length=200)]


class Extension(BaseModel):
    """How much longer the environment shall live."""

    model_config = ConfigDict(extra="forbid")

    duration: str = Field("7d", pattern=r"^[0-9]{1,5}(s|m|h|d|w)$", description="From now on, e.g. 12h, 7d, 2w")
    by: str = Field("", max_length=200)


@router.get("")
def list_environments(world: Here, wanted: Wanted, project: ProjectQuery = "") -> Page[EnvironmentShape]:
    """List environments, oldest first: production before the previews."""
    return page_of(world.store.environments, wanted, show_environment, newest_first=False, project=project)


@router.get("/{name}")
def show_by_name(name: Name, world: Here, project: ProjectQuery = "") -> EnvironmentShape:
    """Show one environment with what runs in it."""
    return _show(world, find(world, name, project))


@router.get("/{project}/{name}")
def show(project: Name, name: Name, world: Here) -> EnvironmentShape:
    """Show one environment with what runs in it."""
    return _show(world, find(world, name, project))


@router.post("/{name}/extend", status_code=202)
def extend_by_name(name: Name, extension: Extension, world: Here, project: ProjectQuery = "") -> EnvironmentShape:
    """Let the environment live longer."""
    return _extend(world, find(world, name, project), extension)


@router.post("/{project}/{name}/extend", status_code=202)
def extend(project: Name, name: Name, extension: Extension, world: Here) -> EnvironmentShape:
    """Let the environment live longer."""
    return _extend(world, find(world, name, project), extension)


@router.delete("/{name}", status_code=202)
def delete_by_name(name: Name, world: Here, project: ProjectQuery = "", by: By = "") -> EnvironmentShape:
    """Delete the environment: routes first, then processes, then files. Production is refused."""
    return show_environment(delete_environment(world, find(world, name, project).id, by))


@router.delete("/{project}/{name}", status_code=202)
def delete(project: Name, name: Name, world: Here, by: By = "") -> EnvironmentShape:
    """Delete the environment: routes first, then processes, then files. Production is refused."""
    return show_environment(delete_environment(world, find(world, name, project).id, by))


def find(world: World, name: str, project: str) -> Environment:
    """Return the environment. Raises NotFound, or Rejected when several projects have one of that name."""
    if project:
        return world.store.environments.get(f"{project}/{name}")
    rows = [row for row in world.store.environments.find(limit=10_000) if row.name == name]
    if not rows:
        raise NotFound(f"no environment {name!r}", field="name", value=name, remedy="colorlane env list shows them")
    if len(rows) > 1:
        projects = ", ".join(sorted(row.project for row in rows))
        raise Rejected(f"several projects have {name!r}: {projects}", field="project", remedy="name one with ?project=")
    return rows[0]


def _show(world: World, environment: Environment) -> EnvironmentShape:
    shown = show_environment(environment)
    shown.status = [
        WorkloadShape(
            service=each.key.service,
            version=each.key.version,
            health=each.health,
            ready=each.ready,
            wanted=each.wanted,
            reason=each.reason,
            restarts=each.restarts,
        )
        for each in world.platform.list(environment.project)
        if each.key.color == environment.color
    ]
    return shown


def _extend(world: World, environment: Environment, extension: Extension) -> EnvironmentShape:
    seconds = read_duration(extension.duration)
    return show_environment(extend_environment(world, environment.id, seconds, extension.by))
