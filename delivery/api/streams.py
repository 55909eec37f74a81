"""Streams: server-sent events of the trail and of one rollout, resumable by `Last-Event-ID`.

Neighbours: events and rollouts routes.

Other processes write the trail, so a stream looks for news every `poll` seconds; a look is one indexed query.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from typing import Any, TypeVar

from starlette.concurrency import run_in_threadpool
from starlette.responses import StreamingResponse

from delivery.api.rolloutshapes import show_rollout
from delivery.api.shapes import show_event
from delivery.errors import NotFound, Transient
from delivery.flows.world import World
from delivery.ports.store import Event
from delivery.rollouts.model import TERMINAL, Rollout

T = TypeVar("T")
SEATS = 100  # streams at a time: each looks into the store three times a second
HEARTBEAT = 15.0  # seconds; proxies and browsers end silent connections after 30 to 60


class Seats:
    """How many streams may be open at a time, so that one caller cannot use up the store for all."""

    def __init__(self, number: int = SEATS) -> None:
        self._number, self._taken = number, 0

    def check(self) -> None:
        """Raise Transient when all are taken: before the answer starts, while that can still be told."""
        if self._taken >= self._number:
            raise Transient(f"{self._number} streams are open, which is as many as there may be", retry_after=5.0)

    async def seated(self, chunks: AsyncIterator[T]) -> AsyncIterator[T]:
        """Pass the stream on; its seat is free again when it ends, or when its reader goes away."""
        self._taken += 1
        try:
            async for chunk in chunks:
                yield chunk
        finally:
            self._taken -= 1


def stream(chunks: AsyncIterator[str]) -> StreamingResponse:
    """Return the answer that a browser's EventSource understands."""
    headers = {"cache-control": "no-store", "x-accel-buffering": "no"}
    return StreamingResponse(chunks, media_type="text/event-stream", headers=headers)


def message(kind: str, data: Any, id: int | None = None) -> str:
    """Return one server-sent event; `data` goes as one line of JSON."""
    head = f"id: {id}\n" if id is not None else ""
    return f"{head}event: {kind}\ndata: {json.dumps(data, separators=(',', ':'))}\n\n"


def newest_id(world: World, project: str = "", subject: str = "") -> int:
    """Return the id of the newest event, 0 when there is none."""
    rows = world.store.events(project=project, subject=subject, limit=1, newest_first=True)
    return rows[0].id if rows else 0


async def trail(world: World, project: str, subject: str, after: int | None, poll: float) -> AsyncIterator[str]:
    """Yield the trail's events with an id above `after` (None: only those from now on), for ever."""
    cursor = await run_in_threadpool(newest_id, world, project, subject) if after is None else after
    yield "retry: 1000\n\n"
    silent = 0.0
    while True:
        rows = await run_in_threadpool(_after, world, project, subject, cursor)
        for row in rows:
            cursor, silent = row.id, 0.0
            yield message("event", show_event(row).model_dump(), row.id)
        if not rows:
            await asyncio.sleep(poll)
            silent += poll
        if silent >= HEARTBEAT:
            silent = 0.0
            yield ": still here\n\n"


async def rollout_stream(world: World, id: str, after: int, poll: float) -> AsyncIterator[str]:
    """Yield the rollout each time it changes (`rollout`), and its events (`event`); ends with it (`end`)."""
    cursor, version, silent = after, -1, 0.0
    yield "retry: 1000\n\n"
    while True:
        rollout = await run_in_threadpool(_rollout, world, id)
        rows = await run_in_threadpool(_after, world, "", f"rollout/{id}", cursor)
        for row in rows:
            cursor = row.id
            yield message("event", show_event(row).model_dump(), row.id)
        if rollout and rollout.row_version != version:
            version, silent = rollout.row_version, 0.0
            yield message("rollout", show_rollout(rollout).model_dump())
        if rollout is None or rollout.phase in TERMINAL:
            yield message("end", {"id": id})
            return
        await asyncio.sleep(poll)
        silent += poll
        if silent >= HEARTBEAT:
            silent = 0.0
            yield ": still here\n\n"


def _after(world: World, project: str, subject: str, cursor: int) -> Sequence[Event]:
    return world.store.events(project=project, subject=subject, after=cursor)


def _rollout(world: World, id: str) -> Rollout | None:
    """Return the rollout, None once it was deleted with its project."""
    try:
        return world.store.rollouts.get(id)
    except NotFound:
        return None
