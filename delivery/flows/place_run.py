"""Place a run: finds or makes the environment of its branch, and makes it known to the mesh. Neighbours: deploy_run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import structlog

from delivery.colors import choose_color
from delivery.environments import BASELINE, Environment, EnvironmentState, Fallback
from delivery.errors import Conflict, NotFound, Rejected, Transient
from delivery.flows.operate_environment import mark_for_deletion
from delivery.flows.updates import update
from delivery.flows.world import World
from delivery.ports.builds import Target
from delivery.projects import Project
from delivery.releases import Release
from pipelines.runs import Run

log = structlog.get_logger(__name__)

PRODUCTION = "production"
TRIES = 10  # of colours, when other branches take them at the same moment


def environment_id(project: str, name: str) -> str:
    """Return the environment's id."""
    return f"{project}/{name}"


def place_run(world: World, project: Project, run: Run, target: Target) -> Environment:
    """Return the run's environment; what the branch had under another colour is deleted.

    Raises Transient while its predecessor is being deleted, Rejected when another branch has the bound environment.
    """
    if target.is_production:
        environment = _ensure(world, project, run, PRODUCTION, BASELINE, target)
    elif target.color:
        environment = _bound(world, project, run, target)
    else:
        environment = _preview(world, project, run, target)
    for other in world.store.environments.find(project=project.name, branch=run.branch):
        if other.color and other.id != environment.id:
            mark_for_deletion(world, other, "colorlane", f"branch {run.branch} goes to {environment.name} now")
    return environment


def _bound(world: World, project: Project, run: Run, target: Target) -> Environment:
    try:
        return _ensure(world, project, run, target.color, target.color, target)
    except Conflict as error:
        raise Rejected(
            f"environment {error.message}",
            field=f"environments.{target.name}.branch",
            value=run.branch,
            remedy=f"delete it first (`colorlane env delete {project.name}/{target.color}`), or use another name",
        ) from error


def _preview(world: World, project: Project, run: Run, target: Target) -> Environment:
    for _ in range(TRIES):
        taken = {row.color: row.branch for row in world.store.environments.find(project=project.name) if row.color}
        mine = (color for color, branch in taken.items() if branch == run.branch and color not in target.reserved)
        color = next(mine, "") or choose_color(run.branch, taken.keys() | target.reserved)
        try:
            return _ensure(world, project, run, color, color, target)
        except Conflict as error:
            log.debug("colour taken meanwhile", color=color, reason=error.message)
    raise Transient(f"no colour for branch {run.branch} could be had")


def _ensure(world: World, project: Project, run: Run, name: str, color: str, target: Target) -> Environment:
    now = world.clock.now()
    expires = now + target.auto_stop if target.auto_stop is not None and color else None
    id = environment_id(project.name, name)
    try:
        old = world.store.environments.get(id)
    except NotFound:
        fresh = Environment(
            id=id,
            project=project.name,
            name=name,
            color=color,
            branch=run.branch,
            owner=run.author,
            url=world.url(project, color),
            fallback=Fallback(target.fallback),
            created_at=now,
            expires_at=expires,
        )
        added = world.store.environments.add(fresh)
        world.tell(project.name, f"environment/{id}", "environment.created", f"{name} at {fresh.url}", run.author)
        return added
    if old.state is EnvironmentState.DELETING:
        raise Transient(f"{name} is being deleted first")
    if color and old.branch != run.branch:
        raise Conflict(f"{name} belongs to branch {old.branch}")
    fallback = Fallback(target.fallback)
    return update(
        world.store.environments,
        id,
        lambda row: replace(row, branch=run.branch, fallback=fallback, expires_at=_later(row.expires_at, expires)),
    )


def _later(old: float | None, new: float | None) -> float | None:
    """A push prolongs the lease and never shortens what a person has extended."""
    return new if old is None or new is None else max(old, new)


def expose(
    world: World, project: Project, environment: Environment, entry: str, releases: Mapping[str, Release]
) -> None:
    """Make project and colour known to the mesh. A branch never changes the entry of a project that runs already."""
    if not environment.color or not _has_production(world, project):
        if entry in releases:
            world.traffic.put_project(project.name, project.domain, entry, port_of(releases[entry]))
        elif not environment.color:
            raise Rejected(f"the entry service {entry} is not deployed", field="entry", value=entry)
    if environment.color:
        world.traffic.put_environment(project.name, environment.color, environment.base, environment.fallback.value)


def _has_production(world: World, project: Project) -> bool:
    return bool(world.store.environments.find(project=project.name, color=BASELINE, limit=1))


def port_of(release: Release) -> int:
    """Return the first port of the release's Service. Raises Rejected when it has none."""
    for manifest in release.manifests:
        if manifest.get("kind") == "Service" and (ports := manifest.get("spec", {}).get("ports")):
            return int(ports[0]["port"])
    raise Rejected(
        f"service {release.service} has no Service with a port",
        field="manifests",
        value=release.service,
        remedy="add a Service whose first port is the one people reach",
    )
