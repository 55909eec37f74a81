"""Projects: register, list, show and remove repositories, change their secrets; commit statuses of theirs.

Neighbours: flows.register_project, flows.change_secrets.
"""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, ConfigDict, Field

from delivery.api.context import Here
from delivery.api.paging import Page, Wanted, page_of
from delivery.api.shapes import ProjectShape, StatusShape, show_project, show_status
from delivery.flows.change_secrets import change_secrets
from delivery.flows.register_project import register_project
from delivery.flows.remove_project import remove_project
from delivery.flows.world import World
from delivery.projects import Project

router = APIRouter(prefix="/projects", tags=["projects"])

Name = Annotated[str, Path(max_length=63)]


class NewProject(BaseModel):
    """A repository to register.

    For GitLab give `forge`, `clone_url`, `forge_url`, `forge_project`, `token` and `webhook_secret`.
    """

    model_config = ConfigDict(extra="forbid")

    name: str = Field(max_length=63, description="A DNS label; the first part of its host names")
    default_branch: str = Field("main", max_length=255)
    forge: str = Field("embedded", description="`embedded` (push to this service) or `gitlab`")
    clone_url: str = Field("", max_length=2000)
    forge_url: str = Field("", max_length=2000, description="Base URL of the GitLab instance")
    forge_project: str = Field("", max_length=500, description="Path (group/name) or id of the repository there")
    token: str = Field("", max_length=500, description="API token of the Git host; write only")
    webhook_secret: str = Field("", max_length=2000, description="Write only; comma separated while one is rotated")
    by: str = Field("", max_length=200, description="Who asks; kept in the audit trail")


class NewSecrets(BaseModel):
    """Secrets to store in place of the old ones; an empty one stays as it is."""

    model_config = ConfigDict(extra="forbid")

    token: str = Field("", max_length=500, description="API token of the Git host; write only")
    webhook_secret: str = Field("", max_length=2000, description="Write only; comma separated while one is rotated")
    by: str = Field("", max_length=200, description="Who asks; kept in the audit trail")


@router.post("", status_code=201)
def add(new: NewProject, world: Here) -> ProjectShape:
    """Register a repository. 409 when the name is taken."""
    return _show(world, register_project(world, **new.model_dump(exclude={"by"}), actor=new.by))


@router.get("")
def list_projects(world: Here, wanted: Wanted) -> Page[ProjectShape]:
    """List projects, oldest first."""
    return page_of(world.store.projects, wanted, lambda row: _show(world, row), newest_first=False)


@router.get("/{name}")
def show(name: Name, world: Here) -> ProjectShape:
    """Show one project."""
    return _show(world, world.store.projects.get(name))


@router.delete("/{name}", status_code=202)
def remove(name: Name, world: Here, by: Annotated[str, Query(max_length=200)] = "") -> ProjectShape:
    """Remove a project with its environments, and its repository when it is embedded; returns before that is done."""
    return _show(world, remove_project(world, name, by))


@router.post("/{name}/secrets")
def secrets(name: Name, new: NewSecrets, world: Here) -> ProjectShape:
    """Store a new token, a new webhook secret, or both."""
    row = change_secrets(world, name, token=new.token, webhook_secret=new.webhook_secret, actor=new.by)
    return _show(world, row)


@router.get("/{name}/commits/{sha}/statuses")
def statuses(
    name: Name, sha: Annotated[str, Path(pattern="^[0-9a-f]{7,64}$")], world: Here, wanted: Wanted
) -> Page[StatusShape]:
    """List what was told about a commit (full id)."""
    world.store.projects.get(name)
    return page_of(world.store.statuses, wanted, show_status, newest_first=False, project=name, revision=sha)


def clone_url(world: World, project: Project) -> str:
    """Return where people push to: our own Git host, or theirs."""
    return project.clone_url or f"{world.api_url}/git/{project.name}.git"


def _show(world: World, project: Project) -> ProjectShape:
    return show_project(project, clone_url(world, project), world.url(project, ""))
