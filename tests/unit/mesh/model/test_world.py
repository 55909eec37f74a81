"""The world: every change gives a new one; older intents change nothing; what is gone is forgotten, ports are not."""

from __future__ import annotations

from dataclasses import replace

from mesh.model.nouns import BASELINE, LaneKey
from mesh.model.world import World
from tests.fakes.mesh_world import PORT, SHOP, bookshop, endpoint, intent

REVIEWS = LaneKey(SHOP, "reviews", BASELINE)


def test_an_older_or_equal_intent_changes_nothing() -> None:
    world = World().with_intent(intent("reviews", BASELINE, "new", generation=5))
    assert world.with_intent(intent("reviews", BASELINE, "old", generation=4)) is world
    assert world.with_intent(intent("reviews", BASELINE, "other", generation=5)) is world
    assert world.with_intent(intent("reviews", BASELINE, "newer", generation=6)).intents[REVIEWS].stable == "newer"


def test_a_withdrawn_intent_keeps_its_generation() -> None:
    asked = intent("reviews", BASELINE, "r1", generation=3)
    world = World().with_intent(asked).with_intent(replace(asked, withdrawn=True))
    assert world.intents[REVIEWS].withdrawn
    assert world.with_intent(intent("reviews", BASELINE, "late", generation=3)) is world


def test_a_node_s_list_replaces_what_it_listed_before_and_nothing_else() -> None:
    first, second = endpoint("reviews", BASELINE, "r1", 0), endpoint("reviews", BASELINE, "r1", 1)
    other = replace(endpoint("ratings", BASELINE, "s1"), node="other")
    world = World().with_node("local", [first]).with_node("other", [other]).with_node("local", [second])
    assert world.endpoints.keys() == {second.id, other.id}


def test_an_endpoint_moves_to_the_node_that_registered_it_last() -> None:
    mine = endpoint("reviews", BASELINE, "r1")
    world = World().with_node("local", [mine]).with_node("other", [replace(mine, node="other")])
    assert [each.node for each in world.endpoints.values()] == ["other"]


def test_a_service_keeps_its_ports_while_somebody_asks_for_it() -> None:
    world = bookshop().with_node("local", [])
    assert world.ports[SHOP, "reviews"] == {PORT: "http"}
    assert world.services(SHOP) == ["productpage", "ratings", "reviews"]


def test_a_service_without_replicas_and_intents_is_forgotten() -> None:
    world = World().with_node("local", [endpoint("reviews", BASELINE, "r1")]).with_node("local", [])
    assert world.services(SHOP) == []


def test_a_namespace_goes_with_its_environments_and_intents_its_endpoints_stay() -> None:
    world = bookshop().without_namespace(SHOP)
    assert not world.namespaces
    assert not world.environments
    assert not world.intents
    assert world.endpoints == bookshop().endpoints


def test_colours_are_those_of_known_environments() -> None:
    assert bookshop().colors(SHOP) == ["alice", "bob"]
    assert bookshop().without_environment(SHOP, "alice").colors(SHOP) == ["bob"]
    assert bookshop().colors("elsewhere") == []


def test_versions_are_those_that_run_and_those_that_are_asked_for() -> None:
    world = World().with_intent(intent("reviews", BASELINE, "r1", r1=90, r2=10))
    world = world.with_node("local", [endpoint("reviews", "alice", "ra")])
    assert world.versions() == {
        (SHOP, "reviews", "", "r1"),
        (SHOP, "reviews", "", "r2"),
        (SHOP, "reviews", "alice", "ra"),
    }


def test_new_weights_alone_are_told_from_all_other_changes() -> None:
    world = bookshop()
    assert world.reweighted_since(world) == []
    step = intent("reviews", BASELINE, "r1", generation=2, r1=50, r2=50)
    assert world.with_intent(step).reweighted_since(world) == [step]
    for changed in (
        world.with_intent(intent("reviews", BASELINE, "r2", generation=2, r1=50, r2=50)),
        world.with_intent(intent("reviews", BASELINE, "r1", generation=2)),
        world.with_intent(intent("ratings", "alice", "sa")),
        world.with_intent(replace(step, withdrawn=True)),
        world.without_environment(SHOP, "bob"),
        world.with_node("local", []),
        world.without_namespace(SHOP),
    ):
        assert changed.reweighted_since(world) is None
