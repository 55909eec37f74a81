"""A view is whole and consistent: what one resource names, another one is; equal worlds give equal bytes.

Every file of `mesh.translation` makes a part of a view, so this is where they are tested together; that Envoy takes
them and routes as meant is the business of tests/integration/mesh.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import pytest

from mesh.model.nouns import BASELINE, Environment, Namespace, State
from mesh.model.proxies import Gateway, Proxy, Sidecar
from mesh.model.world import World
from mesh.protos import message, to_dict
from mesh.translation.resources import CLUSTER, ENDPOINTS, LISTENER, ROUTES, Resource
from mesh.translation.runtime import layer
from mesh.translation.views import View, translate
from tests.fakes.mesh_world import PORT, SHOP, bookshop, endpoint, intent

GATEWAY = Gateway("gateway/main", "127.0.0.1", 8080)
REPLICA = endpoint("reviews", "alice", "ra")
SIDECAR = Sidecar(REPLICA.id, SHOP, "127.0.0.1", REPLICA.outbound, REPLICA.ports)
PROXIES = pytest.mark.parametrize("proxy", [GATEWAY, SIDECAR], ids=["gateway", "sidecar"])


def view(proxy: Proxy, world: World | None = None) -> View:
    return translate(world or bookshop(), 1).view(proxy)


def content(resource: Resource) -> dict[str, Any]:
    envelope = message("envoy.service.discovery.v3.Resource").FromString(resource.wire)
    decoded: dict[str, Any] = to_dict(envelope)["resource"]
    return decoded


def values_of(tree: object, key: str) -> Iterator[Any]:
    """Yield what stands under `key` anywhere in a decoded message."""
    if isinstance(tree, Mapping):
        for name, value in tree.items():
            if name == key:
                yield value
            yield from values_of(value, key)
    elif isinstance(tree, list):
        for item in tree:
            yield from values_of(item, key)


def clusters_named_by(routes: Resource) -> set[str]:
    tree = content(routes)
    single = {value for value in values_of(tree, "cluster") if isinstance(value, str)}
    weighted = {entry["name"] for entry in values_of(tree, "weighted_clusters") for entry in entry["clusters"]}
    return single | weighted


def versions(seen: View) -> dict[str, dict[str, str]]:
    return {url: {name: each.version for name, each in table.items()} for url, table in seen.tables.items()}


@PROXIES
def test_every_cluster_that_a_route_names_is_sent_and_awaited(proxy: Proxy) -> None:
    seen = view(proxy)
    for routes in seen.tables[ROUTES].values():
        named = clusters_named_by(routes)
        assert named
        assert named <= seen.tables[CLUSTER].keys()
        assert named <= set(routes.needs)


@PROXIES
def test_every_cluster_behind_another_is_sent_and_awaited(proxy: Proxy) -> None:
    clusters = view(proxy).tables[CLUSTER]
    behind = [resource for resource in clusters.values() if resource.needs]
    assert behind
    assert all(set(resource.needs) <= clusters.keys() for resource in behind)


@PROXIES
def test_every_cluster_that_asks_for_endpoints_gets_them_and_no_other(proxy: Proxy) -> None:
    tables = view(proxy).tables
    asking = {name for name, each in tables[CLUSTER].items() if content(each).get("type") == "EDS"}
    assert asking
    assert tables[ENDPOINTS].keys() == asking


@PROXIES
def test_route_tables_that_listeners_ask_for_are_sent(proxy: Proxy) -> None:
    tables = view(proxy).tables
    asked = {name for each in tables[LISTENER].values() for name in values_of(content(each), "route_config_name")}
    assert asked == tables[ROUTES].keys()


@PROXIES
def test_resources_carry_their_own_name(proxy: Proxy) -> None:
    for table in view(proxy).tables.values():
        for name, resource in table.items():
            assert content(resource).get("name", content(resource).get("cluster_name")) == name


@PROXIES
def test_the_order_in_which_the_world_was_told_does_not_count(proxy: Proxy) -> None:
    world = bookshop()
    dice = random.Random(7)
    turned = World()
    for namespace in world.namespaces.values():
        turned = turned.with_namespace(namespace)
    for environment in dice.sample(sorted(world.environments.values(), key=str), len(world.environments)):
        turned = turned.with_environment(environment)
    for asked in dice.sample(sorted(world.intents.values(), key=str), len(world.intents)):
        turned = turned.with_intent(asked)
    turned = turned.with_node("local", dice.sample(sorted(world.endpoints.values(), key=str), len(world.endpoints)))
    assert versions(view(proxy, turned)) == versions(view(proxy, world))


@PROXIES
def test_what_is_taken_from_before_is_what_would_be_made_anew(proxy: Proxy) -> None:
    before = translate(bookshop(), 1)
    for world in (
        bookshop(),
        before.world.with_intent(intent("reviews", BASELINE, "r1", generation=2, r1=50, r2=50)),
        bookshop().with_intent(intent("reviews", BASELINE, "r1", generation=2, r1=50, r2=50)),
        bookshop().with_intent(intent("ratings", "alice", "sa")),
        bookshop(endpoint("reviews", BASELINE, "r1", 1)),
        bookshop().without_environment(SHOP, "bob"),
    ):
        kept, anew = translate(world, 2, before).view(proxy), translate(world, 2).view(proxy)
        assert versions(kept) == versions(anew)
        assert kept.weights == anew.weights


def test_new_weights_translate_no_route_at_all(monkeypatch: pytest.MonkeyPatch) -> None:
    before = translate(bookshop(), 1)
    monkeypatch.delattr("mesh.translation.views._namespace_part")
    step = intent("reviews", BASELINE, "r1", generation=2, r1=50, r2=50)
    after = translate(before.world.with_intent(step), 2, before)
    for proxy in (GATEWAY, SIDECAR):
        assert sorted(after.view(proxy).weights.values()) == [50, 50]
        assert after.view(proxy).shape == before.view(proxy).shape
        assert after.view(proxy).revision == 2


@PROXIES
def test_new_weights_change_the_runtime_and_nothing_else(proxy: Proxy) -> None:
    world = bookshop().with_intent(intent("reviews", BASELINE, "r1", generation=2, r1=50, r2=50))
    old, new = view(proxy), view(proxy, world)
    assert versions(new) == versions(old)
    assert sorted(old.weights.values()) == [10, 90]
    assert sorted(new.weights.values()) == [50, 50]


@PROXIES
def test_weights_are_keyed_by_clusters_that_exist_and_sum_to_a_hundred(proxy: Proxy) -> None:
    seen = view(proxy)
    assert sum(seen.weights.values()) == 100
    assert all(any(key.endswith(f".{name}") for name in seen.tables[CLUSTER]) for key in seen.weights)


def test_a_step_of_a_canary_is_small() -> None:
    assert len(layer(view(GATEWAY).weights).wire) < 500


def test_only_ready_replicas_take_traffic() -> None:
    starting, draining = (
        endpoint("reviews", BASELINE, "r1", n, state) for n, state in ((1, State.STARTING), (2, State.DRAINING))
    )
    seen = content(view(GATEWAY, bookshop(starting, draining)).tables[ENDPOINTS][f"reviews.{SHOP}|{PORT}|-|r1"])
    assert len(list(values_of(seen, "socket_address"))) == 1


def test_an_endpoint_that_goes_changes_endpoints_only() -> None:
    more = bookshop(endpoint("reviews", BASELINE, "r1", 1))
    before, after = versions(view(GATEWAY, more)), versions(view(GATEWAY))
    assert {url for url in before if before[url] != after[url]} == {ENDPOINTS}


def test_colours_stand_in_an_exact_map_of_equal_actions() -> None:
    """A thousand colours that select one lane cost one entry each, a few dozen bytes, not a route each."""
    crowd = bookshop()
    for number in range(1000):
        crowd = crowd.with_environment(Environment(SHOP, f"c{number}", "alice"))
    (small,), (large,) = (tuple(view(SIDECAR, world).tables[ROUTES].values()) for world in (bookshop(), crowd))
    assert '"exact_match_map"' in json.dumps(content(large))
    assert clusters_named_by(large) == clusters_named_by(small)


def test_a_sidecar_has_a_door_for_each_port_and_one_for_its_calls() -> None:
    doors = view(SIDECAR).tables[LISTENER]
    assert len(doors) == len(SIDECAR.ports) + 1
    numbers = {port for each in doors.values() for port in values_of(content(each)["address"], "port_value")}
    assert numbers == {SIDECAR.outbound, *(port.inbound for port in SIDECAR.ports)}


def test_a_sidecar_of_an_unknown_namespace_gets_a_view_without_lanes() -> None:
    seen = view(replace(SIDECAR, namespace="elsewhere"))
    assert not seen.tables[ENDPOINTS]
    assert seen.tables[LISTENER]


def test_the_gateway_of_an_empty_world_has_a_door_that_leads_nowhere() -> None:
    seen = view(GATEWAY, World())
    assert not seen.tables[CLUSTER]
    assert seen.tables[LISTENER].keys() == {"gateway"}
    assert clusters_named_by(seen.tables[ROUTES]["gateway"]) == set()


def test_two_namespaces_with_one_domain_do_not_spoil_the_gateways_table() -> None:
    """Envoy would refuse all of it."""
    world = bookshop().with_namespace(Namespace("other", "bookshop.localhost", "web", PORT))
    (routes,) = view(GATEWAY, world).tables[ROUTES].values()
    domains = [domain for entry in values_of(content(routes), "domains") for domain in entry]
    assert len(domains) == len(set(domains))
