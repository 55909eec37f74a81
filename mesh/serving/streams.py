"""gRPC: the ADS method as raw bytes over grpc.aio, a task a stream. Neighbours: wire (bytes), session, hub."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import grpc
import structlog

from mesh.errors import Rejected
from mesh.model.proxies import Proxy
from mesh.serving.exchange import Response
from mesh.serving.hub import Hub
from mesh.serving.session import Session
from mesh.serving.wire import parse_request, read_node, read_request, write_response

ADS = "envoy.service.discovery.v3.AggregatedDiscoveryService"
MEBIBYTE = 1 << 20
OPTIONS = (
    # A thousand proxies that reconnect at once must not be turned away (the default cancels above 1000).
    ("grpc.server.max_pending_requests", 20_000),
    ("grpc.server.max_pending_requests_hard_limit", 30_000),
    ("grpc.max_send_message_length", 256 * MEBIBYTE),
    ("grpc.max_receive_message_length", 64 * MEBIBYTE),
    # Two control planes on one port would each serve half of the proxies.
    ("grpc.so_reuseport", 0),
    # Sidecars ping every ten seconds; by default (five minutes) the third ping without data in between ends the
    # connection (GOAWAY, too_many_pings). Zero strikes: no limit, so late pings that arrive together do no harm.
    ("grpc.http2.min_ping_interval_without_data_ms", 5_000),
    ("grpc.http2.max_ping_strikes", 0),
    ("grpc.keepalive_permit_without_calls", 1),
)

log = structlog.get_logger("mesh.streams")


class ProxyStream:
    """One connected proxy: its session, and what waits to be written to it."""

    def __init__(self, proxy: Proxy, lease: float) -> None:
        self.proxy = proxy
        self.session = Session(proxy.id, lease)
        self._outbox: asyncio.Queue[bytes] = asyncio.Queue()

    def send(self, responses: list[Response]) -> None:
        """Queue responses."""
        for response in responses:
            self._outbox.put_nowait(write_response(response))

    async def write(self, context: Any) -> None:
        """Write what is queued until cancelled."""
        while True:
            await context.write(await self._outbox.get())


class DiscoveryService:
    """The delta ADS method."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub

    def handler(self) -> Any:
        """Return the gRPC handler."""
        method = grpc.stream_stream_rpc_method_handler(self._delta)
        return grpc.method_handlers_generic_handler(ADS, {"DeltaAggregatedResources": method})

    async def _delta(self, requests: AsyncIterator[bytes], context: Any) -> None:
        opening = await anext(aiter(requests), None)
        if opening is None:  # gone before it said anything
            return
        first = parse_request(opening)
        try:
            stream = ProxyStream(read_node(first), self._hub.lease)
        except Rejected as error:
            log.warning("proxy refused", reason=error.message)
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, f"{error.message}; {error.remedy}")
            return
        self._hub.connect(stream)
        writer = asyncio.create_task(stream.write(context))
        try:
            self._receive(stream, first)
            async for content in requests:
                self._receive(stream, parse_request(content))
        finally:
            writer.cancel()
            self._hub.disconnect(stream)

    def _receive(self, stream: ProxyStream, parsed: Any) -> None:
        request = read_request(parsed)
        if request.error is not None:
            log.warning("rejected", proxy=stream.proxy.id, type=request.type_url, reason=request.error)
        stream.send(stream.session.receive(request, self._hub.clock()))


def xds_server(handlers: list[Any], address: str) -> Any:
    """Return a gRPC server (not started) at `host:port`. Raises `Rejected` when the port is taken."""
    server = grpc.aio.server(options=OPTIONS)
    server.add_generic_rpc_handlers(tuple(handlers))
    try:
        server.add_insecure_port(address)
    except RuntimeError as error:
        raise Rejected(
            f"cannot listen on {address} for xDS: the port is in use",
            field="COLORLANE_XDS_PORT",
            value=address,
            remedy="stop what listens there, or set COLORLANE_XDS_PORT",
        ) from error
    return server
