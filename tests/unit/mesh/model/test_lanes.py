"""Lanes: first the colour, then the weight, then who answers in their place."""

from __future__ import annotations

from dataclasses import replace

import pytest

from mesh.model.lanes import Member, ServiceLanes, line_of_bases, service_lanes
from mesh.model.nouns import BASELINE, Endpoint, Environment, Fallback, LaneKey, State
from mesh.model.world import World
from tests.fakes.mesh_world import SHOP, bookshop, endpoint, intent


def lanes(service: str, world: World | None = None) -> ServiceLanes:
    return service_lanes(world or bookshop(), SHOP, service)


def chains(plan: ServiceLanes, color: str) -> list[list[tuple[str, str]]]:
    return [[(member.color, member.version) for member in target.chain] for target in plan.owned[color].targets]


def test_an_environment_that_runs_a_service_owns_its_lane() -> None:
    assert lanes("reviews").owned.keys() == {BASELINE, "alice"}
    assert lanes("ratings").owned.keys() == {BASELINE, "bob"}
    assert lanes("productpage").owned.keys() == {BASELINE}


def test_a_colour_selects_its_own_lane_else_its_base_s_else_the_baseline() -> None:
    assert lanes("reviews").selects == {"alice": "alice", "bob": "alice"}
    assert lanes("ratings").selects == {"bob": "bob"}
    assert lanes("productpage").selects == {}


def test_weights_work_inside_a_lane_and_the_stable_version_is_first() -> None:
    targets = lanes("reviews").owned[BASELINE].targets
    assert [target.version for target in targets] == ["r1", "r2"]


def test_behind_a_candidate_stands_the_stable_version() -> None:
    assert chains(lanes("reviews"), BASELINE) == [[("", "r1")], [("", "r2"), ("", "r1")]]


def test_behind_a_lane_stands_the_base_s_stable_version() -> None:
    assert chains(lanes("reviews"), "alice") == [[("alice", "ra"), ("", "r1")]]


def test_behind_a_lane_stand_all_bases_nearest_first() -> None:
    world = bookshop().with_intent(intent("reviews", "bob", "rb"))
    assert chains(lanes("reviews", world), "bob") == [[("bob", "rb"), ("alice", "ra"), ("", "r1")]]


def test_nothing_stands_behind_a_strict_lane() -> None:
    world = bookshop(fallback=Fallback.STRICT)
    assert chains(lanes("reviews", world), "alice") == [[("alice", "ra")]]


def test_a_strict_base_lets_no_request_further() -> None:
    world = bookshop(fallback=Fallback.STRICT).with_intent(intent("reviews", "bob", "rb"))
    assert chains(lanes("reviews", world), "bob") == [[("bob", "rb"), ("alice", "ra")]]


def test_a_withdrawn_intent_gives_the_lane_up() -> None:
    held = bookshop().intents[LaneKey(SHOP, "reviews", "alice")]
    plan = lanes("reviews", bookshop().with_intent(replace(held, generation=2, withdrawn=True)))
    assert "alice" not in plan.owned
    assert plan.selects == {}


def test_an_unknown_colour_selects_nothing() -> None:
    assert "carol" not in lanes("reviews").selects


@pytest.mark.parametrize(
    ("bases", "line"),
    [
        ({"a": ""}, ["a", ""]),
        ({"a": "b", "b": ""}, ["a", "b", ""]),
        ({"a": "gone"}, ["a", ""]),
        ({"a": "b", "b": "a"}, ["a", "b", ""]),
        ({"a": "a"}, ["a", ""]),
    ],
    ids=["base", "two", "unknown base", "circle", "own base"],
)
def test_the_line_of_bases_always_ends_at_the_baseline(bases: dict[str, str], line: list[str]) -> None:
    world = World()
    for color, base in bases.items():
        world = world.with_environment(Environment(SHOP, color, base))
    assert line_of_bases(world, SHOP, "a") == line


def test_a_lane_never_reaches_another_colour_that_is_not_its_base() -> None:
    plan = lanes(
        "reviews", bookshop().with_environment(Environment(SHOP, "carol")).with_intent(intent("reviews", "carol", "rc"))
    )
    for color, lane in plan.owned.items():
        allowed = set(line_of_bases(bookshop().with_environment(Environment(SHOP, "carol")), SHOP, color))
        assert {member.color for target in lane.targets for member in target.chain} <= allowed
    assert Member("carol", "rc") not in {m for t in plan.owned["alice"].targets for m in t.chain}


def plain(service: str, version: str, number: int = 0, state: State = State.READY, color: str = BASELINE) -> Endpoint:
    return replace(endpoint(service, color, version, number, state), managed=False)


def test_plain_replicas_take_traffic_without_an_intent() -> None:
    world = World().with_node("local", [plain("cart", "default")])
    assert owned(world, "cart") == {BASELINE: ["default"]}


def test_of_several_plain_versions_the_first_that_is_ready_takes_all() -> None:
    replicas = [plain("cart", "v1", state=State.STARTING), plain("cart", "v2"), plain("cart", "v3")]
    assert owned(World().with_node("local", replicas), "cart") == {BASELINE: ["v2"]}


def test_a_plain_service_keeps_its_lane_while_nothing_of_it_is_ready() -> None:
    world = World().with_node("local", [plain("cart", "default", state=State.STARTING)])
    assert owned(world, "cart") == {BASELINE: ["default"]}


def test_an_intent_wins_over_what_plain_replicas_imply_until_it_is_withdrawn() -> None:
    world = World().with_node("local", [plain("reviews", "default"), plain("reviews", "r9")])
    asked = intent("reviews", BASELINE, "r9")
    assert owned(world.with_intent(asked), "reviews") == {BASELINE: ["r9"]}
    assert owned(world.with_intent(replace(asked, withdrawn=True)), "reviews") == {BASELINE: ["default"]}


def test_replicas_that_deliveries_look_after_wait_for_their_intent() -> None:
    world = World().with_node("local", [endpoint("cart", BASELINE, "c1")])
    assert owned(world, "cart") == {}


def test_a_plain_preview_needs_its_colour_to_be_known() -> None:
    replicas = [plain("cart", "default"), plain("cart", "mine", 1, color="alice")]
    world = World().with_node("local", replicas)
    assert owned(world, "cart") == {BASELINE: ["default"]}
    known = world.with_environment(Environment(SHOP, "alice"))
    assert owned(known, "cart") == {BASELINE: ["default"], "alice": ["mine"]}
    assert service_lanes(known, SHOP, "cart").selects == {"alice": "alice"}


def owned(world: World, service: str) -> dict[str, list[str]]:
    return {
        color: [each.version for each in lane.targets]
        for color, lane in service_lanes(world, SHOP, service).owned.items()
    }
