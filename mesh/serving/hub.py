"""Hub: the world now, the streams that follow it, and who has accepted what. One asyncio loop, no locks.

A change of the world raises the revision and wakes the pusher, which translates once and hands each stream its view;
changes that come meanwhile are taken together. Neighbours: streams (gRPC), api (reads and writes), sources,
fleet (other replicas' hubs).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Protocol

import structlog

from mesh.model.nouns import Intent, LaneKey
from mesh.model.proxies import Gateway, Proxy
from mesh.model.world import World
from mesh.serving.exchange import Response
from mesh.serving.ledger import Ledger, Standing
from mesh.serving.session import Session
from mesh.translation.runtime import LEASE_SECONDS, RENEWALS
from mesh.translation.views import translate

LONGEST_PAUSE = 0.2

log = structlog.get_logger("mesh.hub")


class Stream(Protocol):
    """A connected proxy as the hub sees it."""

    proxy: Proxy
    session: Session

    def send(self, responses: list[Response]) -> None:
        """Queue responses for the proxy."""
        ...


class Hub:
    """`clock` returns seconds of a monotonic clock; `lease` is how many seconds weights hold without a word of us.

    `position` is the number of the newest change that is in the world, the same for all replicas of the mesh;
    `arrivals` rises with each proxy that comes or goes.
    """

    def __init__(
        self,
        world: World,
        *,
        clock: Callable[[], float] = time.monotonic,
        lease: float = LEASE_SECONDS,
        absence: float | None = None,
    ) -> None:
        self.world = world
        self.revision = 1
        self.position = 0
        self.arrivals = 0
        self.clock = clock
        self.lease = lease
        self.translation = translate(world, self.revision)
        self.ledger = Ledger(world, self.revision, clock(), lease, absence)
        self._streams: dict[str, list[Stream]] = {}  # by proxy, newest last; more than one for a moment, or by mistake
        self._changed = asyncio.Event()

    def apply(self, world: World, position: int | None = None) -> None:
        """Make this the world; proxies follow as soon as the loop comes to it."""
        self.position = self.position if position is None else position
        if world is self.world or world == self.world:
            return
        self.revision += 1
        self.ledger.note(self.world, world, self.revision, self.position)
        self.world = world
        self._changed.set()

    def translate_now(self) -> None:
        """Translate the world as it is, before anyone is connected."""
        if self.world.namespaces:  # else no gateway has anything from an earlier life of ours
            self.ledger.open(self.clock())
        self.translation = translate(self.world, self.revision)

    async def push_changes(self) -> None:
        """Run for ever: translate what has changed and send it out."""
        while True:
            await self._changed.wait()
            self._changed.clear()
            started = time.perf_counter()
            self.translation = translate(self.world, self.revision, self.translation)
            for stream in self._all():
                self._show(stream)
            took = time.perf_counter() - started
            ms = round(took * 1000, 1)
            log.info("pushed", revision=self.translation.revision, proxies=len(self._streams), ms=ms)
            # Half of the time is for requests and ACKs, however fast changes come; meanwhile they gather.
            await asyncio.sleep(min(took, LONGEST_PAUSE))

    async def keep_time(self) -> None:
        """Run for ever: removals that were put off, and the lease of the weights."""
        every = self.lease / RENEWALS
        renew_at = self.clock() + every
        while True:
            await asyncio.sleep(0.5)
            now = self.clock()
            for stream in self._all():
                due = stream.session.removals_due_at
                if due is not None and due <= now:
                    stream.send(stream.session.advance(now))
                if now >= renew_at:
                    stream.send(stream.session.renew(now))
            if now >= renew_at:
                renew_at = now + every

    def connect(self, stream: Stream) -> None:
        """Take in a stream whose node is known.

        Streams of one proxy live side by side, each is told everything: a stranger that calls itself by the same
        name, and goes again, must not leave the real one without configuration. The newest speaks for the proxy.
        """
        self._streams.setdefault(stream.proxy.id, []).append(stream)
        self.arrivals += 1
        self.ledger.seen(stream.proxy.id, self.clock())
        log.info("proxy connected", proxy=stream.proxy.id)
        self._show(stream)

    def disconnect(self, stream: Stream) -> None:
        """Forget a stream that has ended; an older one of the same proxy speaks for it again."""
        streams = self._streams.get(stream.proxy.id, [])
        if stream not in streams:
            return
        streams.remove(stream)
        self.arrivals += 1
        if not streams:
            del self._streams[stream.proxy.id]
        self.ledger.seen(stream.proxy.id, self.clock())
        log.info("proxy disconnected", proxy=stream.proxy.id, still_connected=len(streams))

    def _all(self) -> list[Stream]:
        """Every open stream; a copy, so that streams may come and go meanwhile."""
        return [stream for streams in self._streams.values() for stream in streams]

    def _show(self, stream: Stream) -> None:
        stream.send(stream.session.show(self.translation.view(stream.proxy), self.clock()))

    # Standing

    def connected(self) -> set[str]:
        """Ids of the connected proxies."""
        return set(self._streams)

    def proxies(self) -> list[Standing]:
        """How each connected proxy stands, sorted by id."""
        return [
            Standing(
                proxy=stream.proxy.id,
                namespace="" if isinstance(stream.proxy, Gateway) else stream.proxy.namespace,
                revision=stream.session.settled_revision,
                waiting_on=tuple(stream.session.waiting_on()),
                refused=stream.session.refused(),
            )
            for _, (*_, stream) in sorted(self._streams.items())
        ]

    def waiting_on_intent(self, intent: Intent) -> list[str]:
        """Who has not accepted the intent yet, and why, in words for people; as far as this replica knows."""
        return self.ledger.waiting_on_intent(intent.key, self.world, self.proxies(), self.clock())

    def waiting_on_endpoint(self, endpoint_id: str) -> list[str]:
        """Who may still send requests to an endpoint that has left; as far as this replica knows."""
        return self.ledger.waiting_on_endpoint(endpoint_id, self.world, self.proxies(), self.clock())

    def intent(self, key: LaneKey) -> Intent | None:
        """Return the newest intent of a lane."""
        return self.world.intents.get(key)
