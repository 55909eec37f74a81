"""Who must have accepted what: relevant proxies, expected ones, and the lease."""

from __future__ import annotations

from dataclasses import replace

import pytest

from mesh.model.nouns import BASELINE, LaneKey, State
from mesh.model.world import World
from mesh.serving.ledger import RETURN_SECONDS, Ledger, Standing
from mesh.translation.runtime import LEASE_SECONDS
from tests.fakes.mesh_world import SHOP, bookshop, endpoint, intent

REVIEWS = LaneKey(SHOP, "reviews", BASELINE)


def standings(world: World, revision: int, **behind: Standing) -> list[Standing]:
    return [Standing(each, SHOP, revision) for each in sorted(world.endpoints)]


def test_programmed_when_all_have_settled_at_its_revision() -> None:
    before = bookshop()
    ledger = Ledger(before, 1, 0.0)
    after = before.with_intent(intent("reviews", BASELINE, "r1", generation=2, r1=50, r2=50))
    ledger.note(before, after, 2)
    assert ledger.waiting_on_intent(REVIEWS, after, standings(after, 2), 0.0) == []
    late = standings(after, 2)
    late[0] = replace(late[0], revision=1, waiting_on=("not yet acknowledged RTDS",))
    assert ledger.waiting_on_intent(REVIEWS, after, late, 0.0) == [f"{late[0].proxy}: not yet acknowledged RTDS"]
    other = LaneKey(SHOP, "productpage", BASELINE)
    assert ledger.waiting_on_intent(other, after, late, 0.0) == [], "its intent is older, and accepted"


def test_a_proxy_that_was_not_told_yet_is_waited_for() -> None:
    ledger = Ledger(bookshop(), 3, 0.0)
    told = standings(bookshop(), 3)
    told[0] = replace(told[0], revision=2)
    assert ledger.waiting_on_intent(REVIEWS, bookshop(), told, 0.0) == [f"{told[0].proxy}: not yet told"]


def test_ready_replicas_must_be_connected_starting_ones_need_not() -> None:
    ready, starting = endpoint("ratings", BASELINE, "s1", 7), endpoint("ratings", BASELINE, "s1", 8, State.STARTING)
    world = World().with_node("local", [ready, starting])
    assert Ledger(world, 1, 0.0).waiting_on_intent(REVIEWS, world, [], 0.0) == [f"{ready.id}: not connected"]


def test_a_gateway_is_missed_until_its_weights_have_gone_back_by_themselves() -> None:
    ledger = Ledger(World(), 1, 0.0)
    ledger.seen("gateway/main", 10.0)
    assert ledger.waiting_on_intent(REVIEWS, World(), [], 11.0) == ["gateway/main: not connected"]
    assert ledger.waiting_on_intent(REVIEWS, World(), [], 10.0 + LEASE_SECONDS) == []


def test_other_namespaces_are_not_waited_for_gateways_are() -> None:
    ledger = Ledger(World(), 2, 0.0)
    away = [Standing("elsewhere/a/-/v/0", "elsewhere", 1, ("late",)), Standing("gateway/main", "", 1, ("late",))]
    assert ledger.waiting_on_intent(REVIEWS, World(), away, 0.0) == ["gateway/main: late"]


def test_an_endpoint_is_away_when_all_have_accepted_that_it_left() -> None:
    before = bookshop()
    ledger = Ledger(before, 1, 0.0)
    gone = endpoint("reviews", BASELINE, "r2")
    after = before.with_node("local", [each for each in before.endpoints.values() if each.id != gone.id])
    ledger.note(before, after, 2)
    assert ledger.waiting_on_endpoint(gone.id, after, standings(after, 1), 0.0)
    assert ledger.waiting_on_endpoint(gone.id, after, standings(after, 2), 0.0) == []
    assert ledger.waiting_on_endpoint("never/known", after, standings(after, 1), 0.0) == []


def test_of_the_endpoints_that_left_only_the_latest_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mesh.serving.ledger.GONE_REMEMBERED", 2)
    ledger, world = Ledger(World(), 1, 0.0), World()
    for number in range(5):
        came = world.with_node("local", [endpoint("reviews", BASELINE, f"r{number}")])
        ledger.note(world, came, number + 2)
        world = came
    late = [Standing("gateway/main", "", 1, ("late",))]
    waits = [bool(ledger.waiting_on_endpoint(f"{SHOP}/reviews/-/r{n}/0", world, late, 0.0)) for n in range(5)]
    assert waits == [False, False, True, True, True]


def test_an_endpoint_never_known_here_may_be_used_by_proxies_that_have_not_settled_since_they_came() -> None:
    ledger, world = Ledger(World(), 1, 0.0), World()
    moving = Standing("gateway/main", "", 0, ("not yet acknowledged EDS",))
    assert ledger.waiting_on_endpoint(f"{SHOP}/reviews/-/r1/0", world, [moving], 0.0)
    assert not ledger.waiting_on_endpoint(f"{SHOP}/reviews/-/r1/0", world, [replace(moving, revision=1)], 0.0)


def test_a_gateway_that_another_replica_saw_is_missed_from_then_on() -> None:
    ledger = Ledger(World(), 1, 0.0, absence=30.0)
    ledger.seen("gateway/main", 50.0)
    ledger.seen("gateway/main", 40.0)
    assert ledger.waiting_on_intent(REVIEWS, World(), [], 79.0) == ["gateway/main: not connected"]
    assert ledger.waiting_on_intent(REVIEWS, World(), [], 80.0) == []


def test_a_mesh_that_has_just_started_waits_for_gateways_that_may_come_back() -> None:
    ledger = Ledger(World(), 1, 0.0)
    ledger.open(10.0)
    assert ledger.waiting_on_intent(REVIEWS, World(), [], 11.0)
    assert ledger.waiting_on_intent(REVIEWS, World(), [], 10.0 + RETURN_SECONDS) == []
    ledger.seen("gateway/main", 11.0)
    assert ledger.waiting_on_intent(REVIEWS, World(), [Standing("gateway/main", "", 1)], 11.5) == []
