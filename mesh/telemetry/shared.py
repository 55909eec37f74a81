"""Telemetry of several replicas of the mesh: each receives, one counts. Neighbours: receiver (counts), model.replicas.

What a replica receives it passes on to the leader, several exports at a time; questions go there too. The leader keeps
everything in the store as a single replica does, so a change of the leader is what a restart of the mesh was already:
exports are cumulative, the next one says all that was lost (docs/decisions/0065-counts.md).
"""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Protocol

import grpc
import structlog
from google.protobuf.message import DecodeError

from mesh.errors import Transient
from mesh.model.replicas import LEASE_SECONDS, Roll
from mesh.telemetry.receiver import SERVICE, Door, Telemetry, receive

GATHER_SECONDS = 0.1
MOST_WAITING = 12 << 20
"""Bytes of exports that wait for a leader; what is dropped comes again with the next export of its proxy."""

_LENGTHS = struct.Struct(">II")

log = structlog.get_logger(__name__)


class Peers(Protocol):
    """Asks and tells other replicas; see mesh.serving.peers."""

    async def ask(self, url: str, path: str, query: Mapping[str, str]) -> Mapping[str, Any] | None: ...
    async def tell(self, url: str, path: str, content: bytes) -> bool: ...


class SharedTelemetry:
    """`own` counts while this replica, `name`, leads; `clock` returns seconds of a monotonic clock."""

    def __init__(
        self, own: Telemetry, name: str, peers: Peers, clock: Callable[[], float], door: Door | None = None
    ) -> None:
        self._own, self._name, self._peers, self._clock, self._door = own, name, peers, clock, door
        self._roll, self._roll_until = Roll(), 0.0
        self._term = -1
        self._waiting: list[tuple[str, bytes]] = []
        self._size = 0
        self._news = asyncio.Event()

    @property
    def leads(self) -> bool:
        """Whether this replica counts: it is the leader, has said so within its lease, and has loaded."""
        return self._roll.leader == self._name and self._clock() < self._roll_until and self._own.is_loaded

    async def note(self, roll: Roll) -> None:
        """Take in who leads. Raises OSError, ValueError when what the last leader kept cannot be read."""
        if roll.leader != self._name or roll.term != self._term:
            self._own.unload()
        self._roll, self._roll_until = roll, self._clock() + LEASE_SECONDS
        if roll.leader == self._name and not self._own.is_loaded:
            await self._own.load()
            self._term = roll.term
            log.info("counts telemetry", term=roll.term)

    def handler(self) -> grpc.GenericRpcHandler:
        """Return the handler to add to a `grpc.aio` server."""
        method = grpc.unary_unary_rpc_method_handler(self._export)
        return grpc.method_handlers_generic_handler(SERVICE, {"Export": method})

    async def answer(self, namespace: str, service: str, color: str) -> Mapping[str, Any]:
        """Return the counts, asked of the leader. Raises `Transient` while there is none, or it does not answer."""
        if self.leads:
            return self._own.read(namespace, service, color)
        query = {"namespace": namespace, "service": service, "color": color}
        url = self._roll.live.get(self._roll.leader, "")
        found = await self._peers.ask(url, "telemetry", query) if url else None
        if found is None:
            leader = f"replica {self._roll.leader} counts and does not answer" if url else "no replica counts just now"
            raise Transient(f"telemetry: {leader}", retry_after=1.0)
        return found

    def read_as_leader(self, namespace: str, service: str, color: str) -> dict[str, object]:
        """Return the counts to another replica. Raises `Transient` where this one does not lead."""
        if not self.leads:
            raise Transient(f"replica {self._name} does not count")
        return self._own.read(namespace, service, color)

    async def take_all(self, content: bytes) -> None:
        """Take in what another replica received. Raises `Transient` where this one does not lead."""
        if not self.leads:
            raise Transient(f"replica {self._name} does not count")
        for node, raw in unpacked(content):
            try:
                await self._own.take(node, raw)
            except DecodeError:
                log.warning("no OTLP metrics export", node=node)

    async def pass_on(self) -> None:
        """Run for ever: hand over to the leader what has been received here."""
        while True:
            await self._news.wait()
            await asyncio.sleep(GATHER_SECONDS)
            self._news.clear()
            content, self._waiting, self._size = packed(self._waiting), [], 0
            try:
                if self.leads:  # since a moment
                    await self.take_all(content)
                elif url := self._roll.live.get(self._roll.leader):
                    await self._peers.tell(url, "exports", content)
            except Transient:
                continue

    async def _export(self, raw: bytes, context: Any) -> bytes:
        return await receive(self._take, self._door, raw, context)

    async def _take(self, node: str, raw: bytes) -> None:
        if self.leads:
            await self._own.take(node, raw)
        elif self._size + len(raw) <= MOST_WAITING:
            self._waiting.append((node, raw))
            self._size += len(raw)
            self._news.set()


def packed(exports: list[tuple[str, bytes]]) -> bytes:
    """Return exports and their nodes as one piece."""
    parts = []
    for node, raw in exports:
        name = node.encode()
        parts += [_LENGTHS.pack(len(name), len(raw)), name, raw]
    return b"".join(parts)


def unpacked(content: bytes) -> Iterator[tuple[str, bytes]]:
    """Inverse of `packed`. Raises struct.error, UnicodeDecodeError for anything else."""
    at = 0
    while at < len(content):
        name, raw = _LENGTHS.unpack_from(content, at)
        start = at + _LENGTHS.size
        at = start + name + raw
        yield content[start : start + name].decode(), content[start + name : at]
