"""Membership: this replica's life among the others. It joins the roll, beats, takes in who is there, and leaves.

Neighbours: sources.replicas (the roll), serving.fleet and telemetry.shared (told of every roll), bootstrap.
"""

from __future__ import annotations

import asyncio
import platform
import uuid
from collections.abc import Iterable

import structlog

from mesh.errors import Transient
from mesh.serving.fleet import Fleet
from mesh.sources.replicas import RedisReplicas
from mesh.telemetry.shared import SharedTelemetry

BEAT_SECONDS = 1.0

log = structlog.get_logger("mesh.membership")


def new_name() -> str:
    """Return a name for this process: readable, and never used again by the next process of the same pod."""
    return f"{platform.node()}-{uuid.uuid4().hex[:6]}"


class Membership:
    """Keeps the roll of `fleet` and `telemetry` up to date."""

    def __init__(self, replicas: RedisReplicas, fleet: Fleet, telemetry: SharedTelemetry) -> None:
        self._replicas, self._fleet, self._telemetry = replicas, fleet, telemetry
        self._told = -1
        self._frozen = self._away = self._left = False

    async def join(self) -> None:
        """Say that this replica is here, before it serves anyone; try until it is taken in."""
        while True:
            if await self._beat():
                return
            await asyncio.sleep(BEAT_SECONDS / 2)

    async def keep(self) -> None:
        """Run for ever."""
        while True:
            await asyncio.sleep(BEAT_SECONDS)
            await self._beat()

    def freeze(self) -> None:
        """From now on the roll keeps the proxies of this moment: they are to be found again at other replicas."""
        self._frozen = True

    async def leave(self) -> None:
        """Say that this replica is gone, for good; without a word (Redis away) its lease says it."""
        self._left = True
        try:
            await self._replicas.leave()
        except Transient as error:
            log.warning("left without a word", reason=error.message)

    async def _beat(self) -> bool:
        if self._left:
            return True
        hub = self._fleet.hub
        arrivals, proxies = hub.arrivals, None
        if arrivals != self._told and not self._frozen:
            proxies = {each.proxy: each.namespace for each in hub.proxies()}
        gateways = [name for name in hub.connected() if name.startswith("gateway/")]
        try:
            roll = await self._replicas.beat(gateways, proxies)
            self._note_changes(roll.live.keys())
            self._fleet.note(roll)
            await self._telemetry.note(roll)
        except (Transient, OSError, ValueError) as error:
            if not self._away:
                log.warning("not on the roll", reason=str(error))
            self._away = True
            return False
        self._told = arrivals if proxies is not None else self._told
        if self._away:
            log.info("on the roll again")
        self._away = False
        return True

    def _note_changes(self, live: Iterable[str]) -> None:
        before, now = set(self._fleet.roll.live), set(live)
        for name in sorted(now - before):
            log.info("replica came", replica=name)
        for name in sorted(before - now):
            log.info("replica went", replica=name)
