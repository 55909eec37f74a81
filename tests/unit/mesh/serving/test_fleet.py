"""Answers of several replicas, joined: who is waited for, by name, and when nobody is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from mesh.model.nouns import BASELINE, LaneKey, State
from mesh.model.replicas import Roll
from mesh.model.world import World
from mesh.serving.fleet import Fleet
from mesh.serving.hub import Hub
from tests.fakes.mesh_world import SHOP, bookshop, endpoint, intent

REVIEWS = LaneKey(SHOP, "reviews", BASELINE)
URL = "http://other"


class Other:
    """Another replica, as far as it answers."""

    def __init__(self, **account: Any) -> None:
        self.account: dict[str, Any] | None = {
            "position": 7,
            "arrivals": 1,
            "waiting_on": [],
            "connected": [],
            "generation": 1,
            "away": True,
            **account,
        }
        self.asked: list[tuple[str, Mapping[str, str]]] = []

    async def close(self) -> None:
        self.account = None

    async def ask(self, url: str, path: str, query: Mapping[str, str]) -> Mapping[str, Any] | None:
        self.asked.append((path, query))
        if path == "proxies":
            return None if self.account is None else {"proxies": [{"id": name} for name in self.account["connected"]]}
        if self.account is not None and query.get("since") == str(self.account["arrivals"]):
            return {**self.account, "connected": None}
        return self.account


def fleet(other: Other, world: World | None = None, **roll: Any) -> Fleet:
    hub = Hub(World(), clock=lambda: 100.0)
    hub.apply(bookshop() if world is None else world, position=7)
    made = Fleet(hub, other, "me")
    made.note(Roll(**{"live": {"other": URL}, **roll}))
    return made


EVERYONE = sorted(bookshop().endpoints)
ASKED = intent("reviews", BASELINE, "r1")


async def test_proxies_that_another_replica_serves_are_not_missed() -> None:
    assert await fleet(Other(connected=EVERYONE)).waiting_on_intent(ASKED) == []
    found = await fleet(Other(connected=EVERYONE[1:])).waiting_on_intent(ASKED)
    assert found == [f"{EVERYONE[0]}: not connected"]


async def test_what_another_replica_waits_for_is_waited_for() -> None:
    other = Other(connected=EVERYONE, waiting_on=["gateway/main: not yet acknowledged RTDS"])
    assert await fleet(other).waiting_on_intent(ASKED) == ["gateway/main: not yet acknowledged RTDS"]


async def test_a_replica_that_does_not_answer_is_waited_for_until_it_is_off_the_roll() -> None:
    other = Other(connected=EVERYONE)
    mine = fleet(other)
    other.account = None
    assert "mesh replica other: does not answer" in await mine.waiting_on_intent(ASKED)
    mine.note(Roll())
    assert not any("mesh replica" in why for why in await mine.waiting_on_intent(ASKED))


@pytest.mark.parametrize("behind", [{"position": 6}, {"generation": 0}])
async def test_a_replica_that_has_not_come_as_far_is_waited_for(behind: dict[str, int]) -> None:
    found = await fleet(Other(connected=EVERYONE, **behind)).waiting_on_intent(ASKED)
    assert found == ["mesh replica other: has not taken the change yet"]


async def test_the_list_of_proxies_is_told_once() -> None:
    other = Other(connected=EVERYONE)
    mine = fleet(other)
    for _ in range(2):
        assert await mine.waiting_on_intent(ASKED) == []
    assert [query["since"] for _, query in other.asked] == ["-1", "1"]


async def test_briefly_asks_nobody_while_this_replica_waits_itself() -> None:
    other = Other(connected=EVERYONE)
    mine = fleet(other)
    assert await mine.waiting_on_intent(ASKED, briefly=True) == []
    assert len(other.asked) == 1


async def test_proxies_of_a_replica_that_went_are_waited_for_until_they_are_back() -> None:
    gone = f"{SHOP}/reviews/-/r3/0"  # not registered as ready, so nothing else speaks of it
    owed = {gone: SHOP, "elsewhere/a/-/v/0": "elsewhere"}
    found = await fleet(Other(connected=EVERYONE), owed=owed).waiting_on_intent(ASKED)
    assert found == [f"{gone}: not back since its mesh replica went"]
    assert await fleet(Other(connected=[*EVERYONE, gone]), owed=owed).waiting_on_intent(ASKED) == []


async def test_a_gateway_that_any_replica_had_is_missed() -> None:
    found = await fleet(Other(connected=EVERYONE), gateways={"gateway/main": 5.0}).waiting_on_intent(ASKED)
    assert found == ["gateway/main: not connected"]


async def test_an_endpoint_is_withdrawn_when_all_replicas_say_so() -> None:
    gone = endpoint("reviews", BASELINE, "r2", state=State.DRAINING)
    world = bookshop().with_node("other", [gone])
    ready = sorted(each.id for each in world.endpoints.values() if each.state is State.READY)
    assert await fleet(Other(connected=ready), world).waiting_on_endpoint(gone.id) == []
    still = Other(connected=ready, away=False)
    assert await fleet(still, world).waiting_on_endpoint(gone.id) == [
        "mesh replica other: has not taken the change yet"
    ]


async def test_listings_name_who_is_silent() -> None:
    other = Other(connected=EVERYONE)
    mine = fleet(other)
    assert await mine.listings() == ({"other": [{"id": name} for name in EVERYONE]}, [])
    other.account = None
    assert await mine.listings() == ({}, ["other"])
