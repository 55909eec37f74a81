"""Small worlds to test with: a bookshop where `alice` changes reviews and `bob`, based on alice, ratings."""

from __future__ import annotations

from mesh.model.nouns import BASELINE, Endpoint, Environment, Fallback, Intent, LaneKey, Namespace, Port, State
from mesh.model.world import World

SHOP = "bookshop"
PORT = 9080


def intent(service: str, color: str, stable: str, generation: int = 1, **weights: int) -> Intent:
    """Return an intent of the shop; weights by version, all to the stable one when none are given."""
    return Intent(LaneKey(SHOP, service, color), generation, stable, weights or {stable: 100})


def endpoint(service: str, color: str, version: str, number: int = 0, state: State = State.READY) -> Endpoint:
    """Return a replica of the shop."""
    name = f"{SHOP}/{service}/{color or '-'}/{version}/{number}"
    inbound = 20000 + sum(map(ord, name)) % 9000
    port = Port("http", PORT, inbound=inbound, target=inbound + 10000)
    return Endpoint(name, "local", SHOP, service, color, version, "127.0.0.1", (port,), inbound + 1, state)


def bookshop(*more: Endpoint, fallback: Fallback = Fallback.FALLBACK) -> World:
    """Return the shop: three services at the baseline, two colours, one canary of reviews at the baseline."""
    world = World().with_namespace(Namespace(SHOP, "bookshop.localhost", "productpage", PORT))
    world = world.with_environment(Environment(SHOP, "alice", BASELINE, fallback))
    world = world.with_environment(Environment(SHOP, "bob", "alice"))
    for each in (
        intent("productpage", BASELINE, "p1"),
        intent("reviews", BASELINE, "r1", r1=90, r2=10),
        intent("ratings", BASELINE, "s1"),
        intent("reviews", "alice", "ra"),
        intent("ratings", "bob", "sb"),
    ):
        world = world.with_intent(each)
    replicas = [
        endpoint("productpage", BASELINE, "p1"),
        endpoint("reviews", BASELINE, "r1"),
        endpoint("reviews", BASELINE, "r2"),
        endpoint("ratings", BASELINE, "s1"),
        endpoint("reviews", "alice", "ra"),
        endpoint("ratings", "bob", "sb"),
    ]
    return world.with_node("local", [*replicas, *more])
