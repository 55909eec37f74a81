"""gRPC: the ADS method as raw bytes over grpc.aio, a task a stream. Neighbours: wire (bytes), session, hub.

A mesh that goes says so to its proxies (GOAWAY), then ends their streams one after the other: each opens a new one at
another replica, tells what it has, and is sent what differs, which is nothing. No proxy is ever without configuration.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Mapping
from typing import Any, Protocol

import grpc
import structlog

from mesh.errors import Forbidden, MeshError, Rejected, Transient, Unauthenticated
from mesh.model.proxies import Gateway, Proxy
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
    # A proxy whose host has died is gone after half a minute, instead of being waited for. Long, because an Envoy that
    # takes in a large configuration does not answer meanwhile.
    ("grpc.keepalive_time_ms", 15_000),
    ("grpc.keepalive_timeout_ms", 20_000),
)
AGE_GRACE_MS = 1_000
CODES: Mapping[type[MeshError], grpc.StatusCode] = {
    Unauthenticated: grpc.StatusCode.UNAUTHENTICATED,
    Forbidden: grpc.StatusCode.PERMISSION_DENIED,
    Transient: grpc.StatusCode.UNAVAILABLE,
}

log = structlog.get_logger("mesh.streams")


class Door(Protocol):
    """Knows who may be which proxy. See mesh.policy.doors."""

    async def admit(self, metadata: Mapping[str, str | bytes], node: str) -> None:
        """Return, or raise Unauthenticated, Forbidden, or Transient where it cannot be told now."""
        ...


class ProxyStream:
    """One connected proxy: its session, and what waits to be written to it. `ending`: it is to go elsewhere."""

    def __init__(self, proxy: Proxy, lease: float) -> None:
        self.proxy = proxy
        self.session = Session(proxy.id, lease)
        self.ending = asyncio.Event()
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
    """The delta ADS method. Without a `door` every proxy is served."""

    def __init__(self, hub: Hub, door: Door | None = None) -> None:
        self._hub = hub
        self._door = door
        self._streams: set[ProxyStream] = set()

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
            stream = await self._admitted(first, dict(context.invocation_metadata() or ()))
        except (Rejected, Transient) as error:
            log.warning("proxy refused", reason=error.message)
            remedy = f"; {error.remedy}" if isinstance(error, Rejected) else ""
            await context.abort(CODES.get(type(error), grpc.StatusCode.INVALID_ARGUMENT), error.message + remedy)
            return
        self._hub.connect(stream)
        self._streams.add(stream)
        work = [asyncio.create_task(stream.write(context)), asyncio.create_task(stream.ending.wait())]
        reading = asyncio.create_task(self._read(stream, first, requests))
        try:
            await asyncio.wait((reading, work[-1]), return_when=asyncio.FIRST_COMPLETED)
            if reading.done():
                reading.result()
        finally:
            for task in (reading, *work):
                task.cancel()
            self._streams.discard(stream)
            self._hub.disconnect(stream)

    async def _admitted(self, first: Any, metadata: Mapping[str, str | bytes]) -> ProxyStream:
        """Return a stream for the proxy, if the door lets it be who it says it is."""
        proxy = read_node(first)
        if self._door is not None:
            await self._door.admit(metadata, proxy.id)
            _check_claims(proxy)
        return ProxyStream(proxy, self._hub.lease)

    async def _read(self, stream: ProxyStream, first: Any, requests: AsyncIterator[bytes]) -> None:
        self._receive(stream, first)
        async for content in requests:
            self._receive(stream, parse_request(content))

    async def drain(self, seconds: float) -> None:
        """End all streams, spread over some seconds and in no order, so that proxies do not come to others at once."""
        streams = list(self._streams)
        random.shuffle(streams)
        for stream in streams:
            stream.ending.set()
            await asyncio.sleep(seconds / len(streams))

    def _receive(self, stream: ProxyStream, parsed: Any) -> None:
        request = read_request(parsed)
        if request.error is not None:
            log.warning("rejected", proxy=stream.proxy.id, type=request.type_url, reason=request.error)
        stream.send(stream.session.receive(request, self._hub.clock()))


def _check_claims(proxy: Proxy) -> None:
    """Raise Forbidden where a proxy's metadata claims more than its id, which the door has checked."""
    if isinstance(proxy, Gateway) == proxy.id.startswith("gateway/") and (
        isinstance(proxy, Gateway) or proxy.namespace == proxy.id.partition("/")[0]
    ):
        return
    raise Forbidden(
        f"metadata of proxy {proxy.id!r} does not fit its id",
        field="node.metadata",
        remedy="start the proxy with a bootstrap written by mesh.sidecar",
    )


def xds_server(handlers: list[Any], address: str, *, credentials: Any = None, age: float = 0.0) -> Any:
    """Return a gRPC server (not started) at `host:port`. Raises `Rejected` when the port is taken.

    `credentials`: TLS of the server, from `mesh.identity`; None for plain text. `age`: seconds after which a
    connection is given up, a tenth more or less, so that proxies spread over replicas that came later; 0 for never.
    """
    aging = [("grpc.max_connection_age_ms", round(age * 1000)), ("grpc.max_connection_age_grace_ms", AGE_GRACE_MS)]
    server = grpc.aio.server(options=[*OPTIONS, *(aging if age else ())])
    server.add_generic_rpc_handlers(tuple(handlers))
    try:
        if credentials is None:
            server.add_insecure_port(address)
        else:
            server.add_secure_port(address, credentials)
    except RuntimeError as error:
        raise Rejected(
            f"cannot listen on {address} for xDS: the port is in use",
            field="COLORLANE_XDS_PORT",
            value=address,
            remedy="stop what listens there, or set COLORLANE_XDS_PORT",
        ) from error
    return server
