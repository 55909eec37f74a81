"""Filter chains: stable bytes, the right parts for each role."""

from __future__ import annotations

import re
from typing import Any

import pytest

from mesh.protos import to_dict, unpack
from mesh.translation import filters
from mesh.translation.access import endpoint_metadata, upstream_log

CHAINS = {
    "gateway": filters.gateway_filters,
    "outbound": filters.sidecar_outbound_filters,
    "inbound": filters.sidecar_inbound_filters,
}


def router(chain: list[Any]) -> Any:
    return unpack(chain[-1].typed_config)


@pytest.mark.parametrize("role", CHAINS)
def test_role_stands_in_the_filter_context(role: str) -> None:
    lua = unpack(CHAINS[role]()[0].typed_config)
    assert lua.filter_context.fields["role"].string_value == role
    assert lua.shared_vm_id == filters.SHARED_MACHINE


@pytest.mark.parametrize("role", CHAINS)
def test_bytes_are_the_same_each_time(role: str) -> None:
    one, two = (b"".join(item.SerializeToString(deterministic=True) for item in CHAINS[role]()) for _ in range(2))
    assert one == two


def test_only_callers_count() -> None:
    assert len(router(filters.gateway_filters()).upstream_log) == 2
    assert len(router(filters.sidecar_outbound_filters()).upstream_log) == 2
    assert not router(filters.sidecar_inbound_filters()).upstream_log


def test_counters_are_tagged_with_who_was_tried() -> None:
    counter = unpack(upstream_log()[0].typed_config).counters[0]
    assert [tag.name for tag in counter.stat.tags] == ["namespace", "service", "color", "version", "code", "flags"]


def test_latency_is_only_logged_for_answers() -> None:
    comparison = upstream_log()[1].filter.and_filter.filters[0].status_code_filter.comparison
    assert (comparison.op, comparison.value.default_value) == (comparison.GE, 100)


def test_the_baseline_is_written_as_a_dash() -> None:
    metadata = to_dict(endpoint_metadata("shop", "reviews", "", "v1"))["filter_metadata"]["colorlane"]
    assert metadata == {"namespace": "shop", "service": "reviews", "color": "-", "version": "v1"}
    assert to_dict(filters.route_metadata("reviews"))["filter_metadata"]["colorlane"]["lane"] == "-"


def test_virtual_hosts_say_domain_and_trust() -> None:
    (config,) = filters.gateway_host("shop.localhost", trusted=True).values()
    fields = unpack(config).filter_context.fields
    assert fields["role"].string_value == "gateway"
    assert fields["domain"].string_value == "shop.localhost"
    assert fields["trusted"].bool_value


def test_the_table_of_requests_keeps_room() -> None:
    """A Lua table filled up to a power of two is rehashed at nearly every insertion (seen: 5 times the CPU)."""
    kept = int(re.search(r"REQUESTS_KEPT = (\d+)", filters.script()).group(1))  # type: ignore[union-attr]
    assert kept * 1.3 < 2 ** kept.bit_length()
