"""Reflector: keeps one mirror true by list and watch, for ever. Neighbours: mirror (state), apiserver (requests).

Rules (https://kubernetes.io/docs/reference/using-api/api-concepts/): lists are paged, all pages of one version; a watch
goes on where the last list, event or bookmark was; `410 Gone` means to list anew. Ends of watches are the API server's
to choose, after five to ten minutes: replicas and kinds are spread by chance, so that they do not come back together.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from typing import Any, Final, Protocol

import structlog

from mesh.apiserver import Denied, Gone
from mesh.errors import MeshError, NotFound, Transient
from mesh.sources.kubernetes.mirror import Changes, Mirror
from mesh.sources.kubernetes.objects import Json

PAGE: Final = 500
WATCH_SECONDS: Final = (300, 600)
SILENCE_SECONDS: Final = 150.0  # bookmarks come each minute; a connection without them has died in silence
RESYNC_SECONDS: Final = (3000.0, 4200.0)  # a list now and then, should an event ever have been lost
FIRST_PAUSE: Final = 0.2
LONGEST_PAUSE: Final = 15.0
ABSENT_SECONDS: Final = 60.0

log = structlog.get_logger("mesh.registry")


class Server(Protocol):
    """What is asked of the API server; see mesh.apiserver."""

    async def get(self, path: str, query: Json | None = None) -> dict[str, Any]:
        """Read a list."""
        ...

    def events(self, path: str, query: Json, *, silence: float) -> AsyncGenerator[dict[str, Any], None]:
        """Watch; the first item is `{"type": "CONNECTED"}`."""
        ...

    async def renew_credentials(self) -> None:
        """Read the credentials anew."""
        ...


class Reflector:
    """`on_changes` hears of what differs after each list and event; of nothing, too, when a list is in or was denied.

    `patient`: the mesh can do without; where the kind or the right to see it is not there, it asks once a minute, and
    `absent` says so. `trouble`: why the copy may be stale, "" while the API server answers; `since`: seconds of `clock`
    when that began.
    """

    def __init__(
        self,
        server: Server,
        path: str,
        mirror: Mirror,
        on_changes: Callable[[Changes], None],
        *,
        clock: Callable[[], float],
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        patient: bool = False,
    ) -> None:
        self.path = path
        self.mirror = mirror
        self.trouble = "not asked yet"
        self.denied = self.absent = False
        self.since = clock()
        self._server = server
        self._on_changes = on_changes
        self._clock = clock
        self._sleep = sleep
        self._patient = patient
        self._chance = random.Random()  # noqa: S311 - spreads requests, guards no secret
        self._resync_at = 0.0
        self._failures = 0

    async def run(self) -> None:
        """Run for ever."""
        while True:
            try:
                if not self.mirror.version or self._clock() >= self._resync_at:
                    await self._list()
                await self._watch()
            except Gone as error:
                self.mirror.expire()
                log.info("history is gone, listing anew", path=self.path, reason=error.message)
                await self._pause(error)
            except MeshError as error:
                await self._fail(error)

    async def _list(self) -> None:
        self.mirror.drop_pages()
        query: dict[str, Any] = {"limit": PAGE}
        while True:
            page = await self._server.get(self.path, query)
            self.mirror.page(page.get("items") or ())
            more = page["metadata"].get("continue")
            if not more:
                break
            query["continue"] = more
        self._resync_at = self._clock() + self._chance.uniform(*RESYNC_SECONDS)
        changes = self.mirror.listed(str(page["metadata"]["resourceVersion"]))
        self._fine()
        self._on_changes(changes)

    async def _watch(self) -> None:
        query = {
            "resourceVersion": self.mirror.version,
            "allowWatchBookmarks": "true",
            "timeoutSeconds": self._chance.randint(*WATCH_SECONDS),
        }
        told = False
        async with aclosing(self._server.events(self.path, query, silence=SILENCE_SECONDS)) as events:
            async for event in events:
                if event["type"] == "CONNECTED":
                    self._fine()
                    continue
                told = True
                self._failures = 0
                changes = self.mirror.event(event["type"], event["object"])
                if changes:
                    self._on_changes(changes)
        if not told:  # an API server that ends watches at once must not be asked in a circle
            await self._pause(None)

    def _fine(self) -> None:
        if self.trouble and self.mirror.synced:
            log.info("registry follows", path=self.path, records=len(self.mirror.records))
        self.trouble, self.denied, self.absent = "", False, False

    async def _fail(self, error: MeshError) -> None:
        if not self.trouble or not self._failures:
            log.warning("registry is cut off, keeping what is known", path=self.path, reason=error.message)
        if not self.trouble:
            self.since = self._clock()
        self.trouble, self.denied = error.message, isinstance(error, Denied)
        self.absent = self._patient and isinstance(error, (NotFound, Denied))
        if self.denied or self.absent:
            self._on_changes(Changes())
        if isinstance(error, Denied) and error.field == "credentials":
            await self._server.renew_credentials()
        await self._pause(error)

    async def _pause(self, error: MeshError | None) -> None:
        """Wait longer after each failure in a row, by chance between half and all of it."""
        longest = min(FIRST_PAUSE * 2**self._failures, LONGEST_PAUSE)
        self._failures = min(self._failures + 1, 10)
        asked = error.retry_after if isinstance(error, Transient) and not isinstance(error, Gone) else 0.0
        if self.absent:  # no such kind here, and hardly soon
            asked = ABSENT_SECONDS
        await self._sleep(max(longest, asked if asked > 1.0 else 0.0) * self._chance.uniform(0.5, 1.0))
