"""Virtual addresses: in their range, never shared, the same for a name wherever and whenever they are worked out."""

from __future__ import annotations

import ipaddress

from hypothesis import given
from hypothesis import strategies as st

from mesh.model import pods
from mesh.protos import message, to_dict
from mesh.translation import dns, naming

NAMES = st.sets(st.from_regex(r"[a-z][a-z0-9-]{0,20}[a-z0-9]", fullmatch=True), max_size=50)


@given(NAMES)
def test_every_name_has_addresses_of_its_own_in_the_range(names: set[str]) -> None:
    found = dns.virtual_addresses(names, "bookshop")
    assert set(found) == names
    assert len({four for four, _ in found.values()}) == len({six for _, six in found.values()}) == len(names)
    for four, six in found.values():
        assert ipaddress.ip_address(four) in ipaddress.ip_network(pods.VIRTUAL_IPV4)
        assert ipaddress.ip_address(six) in ipaddress.ip_network(pods.VIRTUAL_IPV6)


def test_a_thousand_services_collide_and_still_have_addresses_of_their_own() -> None:
    names = [f"service-{number}" for number in range(1000)]
    found = dns.virtual_addresses(names, "bookshop")
    assert len(set(found.values())) == 1000
    moved = [name for name in names if dns.virtual_addresses([name], "bookshop")[name] != found[name]]
    assert 0 < len(moved) < 50, "few names had to make room"


def test_a_name_keeps_its_address_in_another_order_and_beside_others() -> None:
    assert dns.virtual_addresses(["a", "b"], "shop") == dns.virtual_addresses(["b", "a"], "shop")
    assert dns.virtual_addresses(["a"], "shop")["a"] == dns.virtual_addresses(["a", "b", "c"], "shop")["a"]
    assert dns.virtual_addresses(["a"], "shop") != dns.virtual_addresses(["a"], "garden")


def test_all_names_of_a_service_are_answered_and_other_names_handed_on() -> None:
    (listener,) = dns.listeners(15053, "bookshop", ("reviews",), False)
    envelope = message("envoy.service.discovery.v3.Resource").FromString(listener.wire)
    config = to_dict(envelope)["resource"]["listener_filters"][0]["typed_config"]
    table = config["server_config"]["inline_dns_table"]["virtual_domains"]
    both = dns.virtual_addresses(["reviews"], "bookshop")["reviews"]
    assert [each["name"] for each in table] == naming.hosts("reviews", "bookshop")
    assert all(each["endpoint"]["address_list"]["address"] == list(both) for each in table)
    assert "client_config" in config
