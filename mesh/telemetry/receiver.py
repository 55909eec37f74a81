"""The door for exports: an OTLP metrics service on the mesh's gRPC server, raw bytes in, totals kept and saved.

Wiring: `telemetry = Telemetry(RedisShelf(client), clock=time.time)`, `await telemetry.load()`, add
`telemetry.handler()` to the `grpc.aio` server, call `await telemetry.sweep(registered)` every few seconds with the
versions that have endpoints or an intent, and answer `GET /v1/telemetry/...` with `telemetry.read(...)`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection
from typing import Any

import grpc
import structlog
from google.protobuf.message import DecodeError

from mesh.telemetry.points import Identity, decode
from mesh.telemetry.shelf import Shelf
from mesh.telemetry.snapshots import RETIRED, restore, retired_text, source_field, source_text
from mesh.telemetry.totals import Source, Totals
from mesh.translation.metricnames import NODE_HEADER

SERVICE = "opentelemetry.proto.collector.metrics.v1.MetricsService"
ACCEPTED = b""
"""An ExportMetricsServiceResponse with nothing rejected."""

log = structlog.get_logger(__name__)


class Telemetry:
    """Receives, keeps and tells the counts of all versions."""

    def __init__(self, shelf: Shelf, clock: Callable[[], float]) -> None:
        self._shelf = shelf
        self._clock = clock
        self._totals: Totals | None = None
        self._unsaved: set[Source] = set()
        self._removed: set[Source] = set()
        self._saving = asyncio.Lock()

    async def load(self) -> None:
        """Read what was kept; until then exports are refused (all is sent again). Raises OSError, ValueError."""
        self._totals = restore(await self._shelf.load(), self._clock())

    def handler(self) -> grpc.GenericRpcHandler:
        """Return the handler to add to a `grpc.aio` server."""
        method = grpc.unary_unary_rpc_method_handler(self._export)
        return grpc.method_handlers_generic_handler(SERVICE, {"Export": method})

    def read(self, namespace: str, service: str, color: str) -> dict[str, object]:
        """Return `{"versions": {version: {"requests", "errors", "latency"}}}`, cumulative; empty before `load`."""
        readings = {} if self._totals is None else self._totals.read(namespace, service, color)
        return {"versions": {version: reading.as_json() for version, reading in readings.items()}}

    async def sweep(self, registered: Collection[Identity]) -> None:
        """Retire gone proxies, forget gone versions, save what could not be saved before."""
        if self._totals is None:
            return
        known = len(self._totals.registered)
        gone = self._totals.sweep(registered, self._clock())
        self._removed |= gone
        forgot = len(self._totals.registered) < known
        await self._save(set(self._totals.sources) if forgot else set(), retired=bool(gone) or forgot)

    async def _export(self, raw: bytes, context: Any) -> bytes:
        if self._totals is None:
            await context.abort(grpc.StatusCode.UNAVAILABLE, "telemetry is not loaded yet")
            raise RuntimeError("unreachable: abort raises")
        node = dict(context.invocation_metadata()).get(NODE_HEADER, "")
        try:
            points = decode(raw)
        except DecodeError:
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, "this is no OTLP metrics export")
            raise
        if node and points:
            await self._save(self._totals.observe(node, points, self._clock()))
        return ACCEPTED

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
