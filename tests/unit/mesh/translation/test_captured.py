"""Listeners of captured sidecars: which there are, what tells chains apart, and that they stay the same bytes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from mesh.model.nouns import BASELINE
from mesh.model.proxies import Capture, Sidecar
from mesh.protos import message, to_dict
from mesh.translation import captured, naming
from mesh.translation.resources import CLUSTER, LISTENER, Resource
from mesh.translation.views import translate
from tests.fakes.mesh_world import SHOP, bookshop, endpoint

REPLICA = endpoint("reviews", BASELINE, "r1")
CAPTURED = Sidecar(REPLICA.id, SHOP, "10.0.0.7", 15080, REPLICA.ports, capture=Capture(15001, 15006, 15053, ipv6=True))
OURS = {naming.CAPTURED_OUTBOUND, naming.CAPTURED_INBOUND, naming.DNS_LISTENER, f"{naming.DNS_LISTENER}|ipv6"}


def content(resource: Resource) -> dict[str, Any]:
    envelope = message("envoy.service.discovery.v3.Resource").FromString(resource.wire)
    decoded: dict[str, Any] = to_dict(envelope)["resource"]
    return decoded


def listeners(proxy: Sidecar = CAPTURED) -> dict[str, dict[str, Any]]:
    return {each.name: content(each) for each in captured.listeners(proxy, ["reviews"])}


def test_a_captured_sidecar_has_its_listeners_beside_the_explicit_ones() -> None:
    plain = translate(bookshop(), 1).view(replace(CAPTURED, capture=None)).tables
    tables = translate(bookshop(), 1).view(CAPTURED).tables
    assert set(tables[LISTENER]) == set(plain[LISTENER]) | OURS
    assert all(tables[LISTENER][name] == plain[LISTENER][name] for name in plain[LISTENER])
    assert {name for each in tables[LISTENER].values() for name in each.needs} <= set(tables[CLUSTER])


def test_a_port_of_zero_means_no_listener() -> None:
    assert captured.listeners(replace(CAPTURED, capture=None), []) == []
    for capture, expected in (
        (Capture(15001, 0), {naming.CAPTURED_OUTBOUND}),
        (Capture(0, 15006), {naming.CAPTURED_INBOUND}),
        (Capture(0, 0, 15053), {naming.DNS_LISTENER}),
    ):
        assert set(listeners(replace(CAPTURED, capture=capture))) == expected


def test_ipv6_is_listened_on_where_it_is_there() -> None:
    found = listeners()
    six = {
        name: [each["address"]["socket_address"]["address"] for each in found[name]["additional_addresses"]]
        for name in (naming.CAPTURED_OUTBOUND, naming.CAPTURED_INBOUND)
    }
    assert six == {naming.CAPTURED_OUTBOUND: ["::1"], naming.CAPTURED_INBOUND: ["::"]}
    without = listeners(replace(CAPTURED, capture=Capture(15001, 15006, 15053)))
    assert not any("additional_addresses" in each for each in without.values())
    assert set(without) == OURS - {f"{naming.DNS_LISTENER}|ipv6"}


def test_connections_to_a_listener_itself_are_led_nowhere() -> None:
    for name, port in ((naming.CAPTURED_OUTBOUND, 15001), (naming.CAPTURED_INBOUND, 15006)):
        chains = [
            each
            for each in listeners()[name]["filter_chains"]
            if each["filter_chain_match"].get("destination_port") == port
        ]
        assert [each["filters"][0]["typed_config"]["cluster"] for each in chains] == [naming.NOWHERE]


def test_only_http_on_the_applications_ports_is_read_inbound() -> None:
    chains = {each["name"]: each for each in listeners()[naming.CAPTURED_INBOUND]["filter_chains"]}
    target = REPLICA.ports[0].target
    assert set(chains) == {"itself", f"http|{target}"}
    assert chains[f"http|{target}"]["filter_chain_match"]["destination_port"] == target


def test_replicas_and_colours_do_not_change_the_listeners() -> None:
    world = bookshop().with_node("other", [endpoint("reviews", BASELINE, "r1", 7)])
    before, after = (translate(each, 1).view(CAPTURED).tables[LISTENER] for each in (bookshop(), world))
    assert before == after
