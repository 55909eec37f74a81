"""Options of capture: what is read, joined, and refused with a remedy."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mesh.capture.options import Options, Range, read_networks, read_ranges
from mesh.errors import Rejected

PAIRS = st.tuples(st.integers(0, 65535), st.integers(0, 65535)).map(sorted)


def test_ranges_are_sorted_and_joined_because_nftables_refuses_those_that_overlap() -> None:
    assert read_ranges(" 8000-8100, 443,80,81,8050-8200,,", field="f") == (
        Range(80, 81),
        Range(443, 443),
        Range(8000, 8200),
    )
    assert read_ranges("", field="f") == ()


@given(st.lists(PAIRS, max_size=8))
def test_joined_ranges_mean_the_same_numbers_and_never_touch(pairs: list[list[int]]) -> None:
    ranges = read_ranges(",".join(f"{first}-{last}" for first, last in pairs), field="f")
    assert all(one.last + 1 < other.first for one, other in itertools.pairwise(ranges))
    for number in {edge for pair in pairs for edge in (pair[0], pair[1], max(pair[0] - 1, 0))}:
        asked = any(first <= number <= last for first, last in pairs)
        assert any(each.first <= number <= each.last for each in ranges) is asked


@pytest.mark.parametrize("text", ["x", "1-", "-1", "70000", "20-10", "1.5"])
def test_numbers_that_are_none_are_refused_with_the_option_s_name(text: str) -> None:
    with pytest.raises(Rejected) as refused:
        read_ranges(text, field="--exclude-uids")
    assert (refused.value.field, refused.value.value) == ("--exclude-uids", text)
    assert refused.value.remedy


def test_networks_are_joined_and_host_bits_forgiven() -> None:
    found = read_networks("10.1.2.3/16, fd00::1/8,10.1.9.0/24,192.0.2.7", field="f")
    assert [str(each) for each in found] == ["10.1.0.0/16", "192.0.2.7/32", "fd00::/8"]


@pytest.mark.parametrize("text", ["10.0.0.0/33", "example.com", "10.0.0"])
def test_networks_that_are_none_are_refused(text: str) -> None:
    with pytest.raises(Rejected, match="not usable"):
        read_networks(text, field="--exclude-outbound-cidrs")


def test_the_sidecar_is_spared_whatever_else_is() -> None:
    options = Options(proxy_uid=7, proxy_gid=8, exclude_uids=(Range(1, 2),), exclude_gids=(Range(5, 20),))
    assert options.spared_uids == (Range(1, 2), Range(7, 7))
    assert options.spared_gids == (Range(5, 20),), "ranges that overlap are refused by nftables"
