"""Register a project: checks the name, makes the repository or its mirror, and looks for what is there already."""

from __future__ import annotations

import re
import secrets

from delivery.errors import Conflict, Rejected
from delivery.flows.world import World
from delivery.projects import Project

_LABEL = re.compile(r"[a-z]([a-z0-9-]{0,38}[a-z0-9])?")
_BRANCH = re.compile(r"(?![-/.])(?!.*(\.\.|//|@\{))[^\x00-\x20\x7f~^:?*\[\\]{1,200}(?<![/.])")
_HTTP = re.compile(r"https?://[^\s\x00-\x20@?#/][^\s\x00-\x20@?#]*")
_CLONE = re.compile(rf"{_HTTP.pattern}|(ssh://)?(\w[\w.-]*@)?\w[\w.-]*[:/][^\s\x00-\x20:@-][^\s\x00-\x20:@]*")


def register_project(
    world: World,
    name: str,
    *,
    default_branch: str = "main",
    forge: str = "embedded",
    clone_url: str = "",
    forge_url: str = "",
    forge_project: str = "",
    token: str = "",
    webhook_secret: str = "",
    actor: str = "",
) -> Project:
    """Return the new row; a webhook secret is made when none is given.

    Raises Rejected for a bad name, branch, host or address, Conflict when the name is taken.
    """
    project = Project(
        name=name,
        domain=f"{name}.{world.domain}",
        default_branch=default_branch,
        forge=forge,
        clone_url=clone_url,
        forge_url=forge_url,
        forge_project=forge_project,
        token=token,
        webhook_secret=webhook_secret or secrets.token_urlsafe(24),
        created_at=world.clock.now(),
    )
    _check(world, project)
    world.forge(project).prepare(project)
    try:
        added = world.store.projects.add(project)
    except Conflict as error:
        raise Conflict(f"project {name} exists", field="name", value=name, remedy="choose another name") from error
    world.tell(name, f"project/{name}", "project.registered", f"on {forge}", actor)
    world.wake("detect_pushes", name)
    return added


def _check(world: World, project: Project) -> None:
    # "--" separates colour and service in host names, so a name must not hold it.
    if not _LABEL.fullmatch(project.name) or "--" in project.name:
        raise Rejected(
            f"{project.name!r} is no project name",
            field="name",
            value=project.name,
            remedy="use 1 to 40 lower-case letters, digits and single hyphens, starting with a letter",
        )
    if not _BRANCH.fullmatch(project.default_branch):
        raise Rejected(
            f"{project.default_branch!r} is no branch name",
            field="default_branch",
            value=project.default_branch,
            remedy="use e.g. main",
        )
    world.forge(project)
    if project.forge != "embedded":
        _check_remote(project)


def _check_remote(project: Project) -> None:
    for field in ("clone_url", "forge_url", "forge_project"):
        if not getattr(project, field):
            raise Rejected(f"{field} is missing", field=field, remedy=f"a {project.forge} project needs its {field}")
    for field, pattern in (("clone_url", _CLONE), ("forge_url", _HTTP)):
        # Addresses are shown, logged and given to Git as arguments: no secret and no option may be in one.
        if not pattern.fullmatch(getattr(project, field)):
            raise Rejected(
                f"{field} is no address that can be used, or holds a password",
                field=field,
                remedy="use http(s)://<host>/<path> without a user name, and give the token as `token`",
            )
