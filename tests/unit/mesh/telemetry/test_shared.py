"""Telemetry of two replicas: one counts, the other passes on; the lead moves and nothing is lost or counted twice."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest

from mesh.errors import Transient
from mesh.model.replicas import LEASE_SECONDS, Roll
from mesh.telemetry.receiver import Telemetry
from mesh.telemetry.shared import SharedTelemetry, packed, unpacked
from tests.fakes.shelf import MemoryShelf
from tests.unit.mesh.telemetry.test_receiver import Call, export

URLS = {"one": "http://one", "two": "http://two"}


class Wire:
    """Carries what replicas say to each other."""

    def __init__(self) -> None:
        self.replicas: dict[str, SharedTelemetry] = {}
        self.told = asyncio.Event()

    async def ask(self, url: str, path: str, query: Mapping[str, str]) -> Mapping[str, Any] | None:
        try:
            return self.replicas[url].read_as_leader(**query)
        except (KeyError, Transient):
            return None

    async def tell(self, url: str, path: str, content: bytes) -> bool:
        await self.replicas[url].take_all(content)
        self.told.set()
        return True


class Town:
    """Two replicas on one shelf; `now` is their clock."""

    def __init__(self) -> None:
        self.now = 0.0
        self.shelf, self.wire = MemoryShelf(), Wire()
        self.one, self.two = (self._replica(name) for name in URLS)

    def _replica(self, name: str) -> SharedTelemetry:
        own = Telemetry(self.shelf, lambda: self.now)
        made = self.wire.replicas[URLS[name]] = SharedTelemetry(own, name, self.wire, lambda: self.now)
        return made

    async def lead(self, leader: str, term: int) -> None:
        for name, each in (("one", self.one), ("two", self.two)):
            live = {other: url for other, url in URLS.items() if other != name}
            await each.note(Roll(live=live, leader=leader, term=term))


async def requests_of(telemetry: SharedTelemetry) -> int:
    found = await telemetry.answer("shop", "reviews", "-")
    return int(found["versions"].get("v1", {"requests": 0})["requests"])


async def test_whoever_receives_the_leader_counts_and_both_tell() -> None:
    town = Town()
    await town.lead("one", 1)
    passing = asyncio.create_task(town.two.pass_on())
    await town.one._export(export(3, at=1), Call("a"))
    await town.two._export(export(4, at=1), Call("b"))
    await town.wire.told.wait()
    passing.cancel()
    assert [await requests_of(each) for each in (town.one, town.two)] == [7, 7]


async def test_a_proxy_that_moves_and_a_lead_that_moves_count_nothing_twice() -> None:
    town = Town()
    await town.lead("one", 1)
    await town.one._export(export(3, at=1), Call("a"))
    await town.lead("two", 2)
    assert await requests_of(town.one) == 3, "what the last leader kept"
    await town.two._export(export(5, at=2), Call("a"))
    await town.lead("one", 3)
    assert await requests_of(town.two) == 5
    with pytest.raises(Transient):
        town.two.read_as_leader("shop", "reviews", "-")


async def test_without_a_leader_nothing_is_told() -> None:
    town = Town()
    with pytest.raises(Transient, match="no replica counts"):
        await requests_of(town.two)
    await town.lead("one", 1)
    town.now += LEASE_SECONDS
    assert not town.one.leads, "it has not said so for as long as its lease"
    with pytest.raises(Transient, match="replica one counts and does not answer"):
        await requests_of(town.two)


async def test_a_leader_that_was_away_for_a_moment_keeps_what_it_could_not_save() -> None:
    town = Town()
    await town.lead("one", 1)
    town.shelf.broken = True
    await town.one._export(export(3, at=1), Call("a"))
    town.now += LEASE_SECONDS
    await town.lead("one", 1)
    assert await requests_of(town.one) == 3


def test_exports_survive_the_way() -> None:
    exports = [("gateway/main", b"\x00\xff" * 9), ("shöp/a", b""), ("", b"x")]
    assert list(unpacked(packed(exports))) == exports
