"""Change a project's secrets: tokens of Git hosts expire, hooks' secrets are rotated. Neighbours: register_project."""

from __future__ import annotations

from dataclasses import replace

from delivery.errors import Rejected
from delivery.flows.updates import update
from delivery.flows.world import World
from delivery.projects import Project


def change_secrets(world: World, name: str, *, token: str = "", webhook_secret: str = "", actor: str = "") -> Project:
    """Store what is given and keep the rest; what waits for the Git host is tried again at once.

    Raises NotFound, Rejected when nothing is given.
    """
    names = [what for what, value in (("token", token), ("webhook secret", webhook_secret)) if value]
    if not names:
        raise Rejected("nothing is to be changed", field="token", remedy="give token, webhook_secret, or both")

    def changed(row: Project) -> Project:
        return replace(row, token=token or row.token, webhook_secret=webhook_secret or row.webhook_secret)

    project = update(world.store.projects, name, changed)
    world.tell(name, f"project/{name}", "project.secrets", f"new {' and '.join(names)}", actor)
    world.wake("detect_pushes", name)
    return project
