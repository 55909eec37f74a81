"""Pushes: what follows a push to the embedded Git host, and what the person who pushed reads. Neighbours: githost, flows."""

from __future__ import annotations

from collections.abc import Sequence

from delivery.errors import NotFound
from delivery.flows.detect_pushes import detect_pushes
from delivery.flows.world import World
from pipelines.runs import Run


class PushDesk:
    """The Git host's view of delivery; both methods are called in threads."""

    def __init__(self, world: World) -> None:
        self._world = world

    def known(self, project: str) -> bool:
        """Tell whether the name is a project of the embedded host."""
        try:
            return self._world.store.projects.get(project).forge == "embedded"
        except NotFound:
            return False

    def pushed(self, project: str) -> Sequence[str]:
        """Start runs for the refs that moved; return the lines to show."""
        raise NotImplementedError
