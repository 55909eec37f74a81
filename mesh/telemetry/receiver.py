"""The door for exports: an OTLP metrics service on the mesh's gRPC server, raw bytes in, totals kept and saved.

Wiring: `telemetry = Telemetry(RedisShelf(client), clock=time.time)`, `await telemetry.load()`, add
`telemetry.handler()` to the `grpc.aio` server, call `await telemetry.sweep(registered)` every few seconds with the
versions that have endpoints or an intent, and answer `GET /v1/telemetry/...` with `telemetry.answer(...)`. Where
several replicas receive, `shared.SharedTelemetry` stands before it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping
from typing import Any, Protocol

import grpc
import structlog
from google.protobuf.message import DecodeError

from mesh.errors import Forbidden, MeshError, Transient, Unauthenticated
from mesh.telemetry.points import Identity, Point, decode
from mesh.telemetry.shelf import Shelf
from mesh.telemetry.snapshots import RETIRED, restore, retired_text, source_field, source_text
from mesh.telemetry.totals import Source, Totals
from mesh.translation.metricnames import NODE_HEADER

SERVICE = "opentelemetry.proto.collector.metrics.v1.MetricsService"
ACCEPTED = b""
"""An ExportMetricsServiceResponse with nothing rejected."""
CODES: Mapping[type[MeshError], grpc.StatusCode] = {
    Unauthenticated: grpc.StatusCode.UNAUTHENTICATED,
    Forbidden: grpc.StatusCode.PERMISSION_DENIED,
}

Take = Callable[[str, bytes], Awaitable[None]]

log = structlog.get_logger(__name__)


class Door(Protocol):
    """Knows who may export for which node. See mesh.policy.doors."""

    async def admit(self, metadata: Mapping[str, str | bytes], node: str) -> None:
        """Return, or raise Unauthenticated, Forbidden, or Transient where it cannot be told now."""
        ...


class Telemetry:
    """Receives, keeps and tells the counts of all versions. Without a `door` every export is taken."""

    def __init__(self, shelf: Shelf, clock: Callable[[], float], door: Door | None = None) -> None:
        self._shelf = shelf
        self._clock = clock
        self._door = door
        self._totals: Totals | None = None
        self._unsaved: set[Source] = set()
        self._removed: set[Source] = set()
        self._saving = asyncio.Lock()

    async def load(self) -> None:
        """Read what was kept; until then exports are refused (all is sent again). Raises OSError, ValueError."""
        self._totals = restore(await self._shelf.load(), self._clock())

    def unload(self) -> None:
        """Forget everything: another replica counts from now on."""
        self._totals = None
        self._unsaved, self._removed = set(), set()

    @property
    def is_loaded(self) -> bool:
        """Whether it counts."""
        return self._totals is not None

    def handler(self) -> grpc.GenericRpcHandler:
        """Return the handler to add to a `grpc.aio` server."""
        method = grpc.unary_unary_rpc_method_handler(self._export)
        return grpc.method_handlers_generic_handler(SERVICE, {"Export": method})

    def read(self, namespace: str, service: str, color: str) -> dict[str, object]:
        """Return `{"versions": {version: {"requests", "errors", "latency"}}}`, cumulative; empty before `load`."""
        readings = {} if self._totals is None else self._totals.read(namespace, service, color)
        return {"versions": {version: reading.as_json() for version, reading in readings.items()}}

    async def answer(self, namespace: str, service: str, color: str) -> dict[str, object]:
        """`read`, as the HTTP API asks."""
        return self.read(namespace, service, color)

    async def sweep(self, registered: Collection[Identity]) -> None:
        """Retire gone proxies, forget gone versions, save what could not be saved before."""
        if self._totals is None:
            return
        known = len(self._totals.registered)
        gone = self._totals.sweep(registered, self._clock())
        self._removed |= gone
        forgot = len(self._totals.registered) < known
        await self._save(set(self._totals.sources) if forgot else set(), retired=bool(gone) or forgot)

    async def take(self, node: str, raw: bytes) -> None:
        """Take one export in. Raises DecodeError, and Transient before `load`.

        The door has checked the node, not what its export says: counts decide about rollouts, so a sidecar's are taken
        for its own namespace only, which is all that it calls.
        """
        if self._totals is None:
            raise Transient("telemetry is not loaded yet")
        points = [point for point in decode(raw) if _may_count(node, point)]
        if node and points:
            await self._save(self._totals.observe(node, points, self._clock()))

    async def _export(self, raw: bytes, context: Any) -> bytes:
        return await receive(self.take, self._door, raw, context)

    async def _save(self, changed: Collection[Source], *, retired: bool = False) -> None:
        """Write what changed; on failure keep it for the next time (the counts themselves are in memory)."""
        totals = self._totals
        self._unsaved |= set(changed)
        if totals is None or not (self._unsaved or self._removed or retired):
            return
        async with self._saving:
            sources, removed = self._unsaved & totals.sources.keys(), set(self._removed)
            fields = {source_field(source): source_text(totals, source) for source in sources}
            if removed or retired:
                fields[RETIRED] = retired_text(totals)
            self._unsaved = set()
            try:
                await self._shelf.save(fields, [source_field(source) for source in removed])
            except OSError as error:
                self._unsaved |= sources
                log.warning("telemetry.unsaved", sources=len(sources), error=str(error))
            else:
                self._removed -= removed


def _may_count(node: str, point: Point) -> bool:
    owner, _, rest = node.partition("/")
    return not rest or owner in ("gateway", point.series.identity.namespace)


async def receive(take: Take, door: Door | None, raw: bytes, context: Any) -> bytes:
    """Answer one gRPC export: admitted by the door, then handed to `take`."""
    metadata = dict(context.invocation_metadata())
    node = metadata.get(NODE_HEADER, "")
    try:
        if door is not None:
            await door.admit(metadata, node)
        await take(node, raw)
    except DecodeError:
        await context.abort(grpc.StatusCode.INVALID_ARGUMENT, "this is no OTLP metrics export")
        raise
    except MeshError as error:
        await context.abort(CODES.get(type(error), grpc.StatusCode.UNAVAILABLE), error.message)
        raise
    return ACCEPTED
