"""Pushes: what follows a push to the embedded Git host, and what the person who pushed reads.

Neighbours: githost, flows.

The push is noticed here and becomes runs in a worker. To name them, the answer waits for the worker, but never long:
a push must not hang because another process is busy.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from starlette.concurrency import run_in_threadpool

from delivery.deliveries import Delivery, DeliveryState
from delivery.errors import NotFound
from delivery.flows.detect_pushes import detect_pushes
from delivery.flows.pushes import push_of
from delivery.flows.world import World

PATIENCE = 2.0  # seconds a push waits for its run to have a number
POLL = 0.05
SINCE = 1.0  # seconds: the sweeper may have noticed the push a moment before us


class PushDesk:
    """The Git host's view of delivery."""

    def __init__(self, world: World) -> None:
        self._world = world

    def known(self, project: str) -> bool:
        """Tell whether the name is a project of the embedded host."""
        try:
            row = self._world.store.projects.get(project)
        except NotFound:
            return False
        return row.forge == "embedded" and not row.removing

    async def pushed(self, project: str) -> Sequence[str]:
        """Put the refs that moved into the ledger; return the lines to show."""
        since = self._world.clock.now() - SINCE
        await run_in_threadpool(detect_pushes, self._world, project)
        for _ in range(round(PATIENCE / POLL)):
            rows = await run_in_threadpool(self._received, project, since)
            if all(row.state is not DeliveryState.RECEIVED for row in rows):
                break
            await asyncio.sleep(POLL)
        return await run_in_threadpool(self._lines, rows)

    def _received(self, project: str, since: float) -> list[Delivery]:
        rows = self._world.store.deliveries.find(project=project, newest_first=True, limit=20)
        return [row for row in reversed(rows) if row.received_at >= since]

    def _lines(self, rows: Sequence[Delivery]) -> list[str]:
        lines = [line for row in rows for line in self._about(row)]
        return ["", *lines, ""] if lines else []

    def _about(self, row: Delivery) -> list[str]:
        """Say what one ref's move led to."""
        push = push_of(row)
        name = (push.branch or push.ref) if push else row.event
        if row.state is DeliveryState.RECEIVED:
            return [f"Colorlane: {name} is received; its run will start soon: {self._world.api_url}/"]
        if not row.run:
            return [f"Colorlane: {name}: {row.outcome}"]
        lines = [f"Colorlane: {name} -> {row.outcome}  {self._world.api_url}/#/runs/{row.run}"]
        lines += [f"  opens at   {url}" for url in self._urls(row.project, name)]
        return [*lines, f"  watch it   colorlane run logs -f {row.run}"]

    def _urls(self, project: str, branch: str) -> list[str]:
        found = self._world.store.environments.find(project=project, branch=branch)
        return [environment.url for environment in found if environment.url]
