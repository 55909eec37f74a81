"""Lanes without what a proxy has refused: candidates fall out, stable ones stay, new colours go to the baseline."""

from __future__ import annotations

from mesh.model.lanes import Member, ServiceLanes
from mesh.model.nouns import BASELINE
from mesh.model.proxies import Gateway
from mesh.model.world import World
from mesh.translation import naming
from mesh.translation.holding import Lanes, Ways, held
from mesh.translation.resources import ROUTES
from mesh.translation.views import View, translate
from tests.fakes.mesh_world import PORT, SHOP, bookshop, intent


def view(world: World) -> View:
    return translate(world, 1).view(Gateway("gateway/main", "127.0.0.1", 8080))


def ways(world: World) -> Ways:
    found = view(world).ways
    assert found is not None
    return found


def member(service: str, color: str, version: str) -> str:
    return naming.member_cluster(SHOP, service, PORT, Member(color, version))


def reviews(lanes: Lanes) -> ServiceLanes:
    return lanes[SHOP]["reviews"]


def versions(plan: ServiceLanes, color: str) -> list[str]:
    return [target.version for target in plan.owned[color].targets]


def test_with_nothing_absent_nothing_changes() -> None:
    lanes = ways(bookshop()).lanes
    assert held(lanes, (), {}) == lanes
    (table,) = view(bookshop()).tables[ROUTES].values()
    assert ways(bookshop()).make(lanes) == table


def test_an_absent_candidate_falls_out_of_its_lane_alone() -> None:
    lanes = ways(bookshop()).lanes
    for absent in (member("reviews", BASELINE, "r2"), member("reviews", BASELINE, "r2") + "|fallback"):
        found = held(lanes, {absent}, {})
        assert versions(reviews(found), BASELINE) == ["r1"]
        assert versions(reviews(found), "alice") == ["ra"]
        assert {name: plan for name, plan in found[SHOP].items() if name != "reviews"} == {
            name: plan for name, plan in lanes[SHOP].items() if name != "reviews"
        }


def test_a_lane_whose_stable_version_is_absent_stays_as_the_proxy_has_it() -> None:
    before = ways(bookshop()).lanes
    after = ways(bookshop().with_intent(intent("reviews", BASELINE, "r3", generation=2))).lanes
    found = held(after, {member("reviews", BASELINE, "r3")}, before)
    assert reviews(found).owned[BASELINE] == reviews(before).owned[BASELINE]


def test_a_new_lane_whose_stable_version_is_absent_leaves_its_colours_to_the_baseline() -> None:
    found = held(ways(bookshop()).lanes, {member("reviews", "alice", "ra")}, {})
    assert "alice" not in reviews(found).owned
    assert reviews(found).selects == {}, "bob, based on alice, too"
    table = ways(bookshop()).make(found)
    assert not any("|alice|ra" in name for name in table.needs)


def test_others_in_a_chain_are_passed_over() -> None:
    """The baseline's cluster stands behind alice's: without it she has her own."""
    found = held(ways(bookshop()).lanes, {member("reviews", BASELINE, "r1")}, {})
    assert versions(reviews(found), "alice") == ["ra"]
    assert BASELINE not in reviews(found).owned
