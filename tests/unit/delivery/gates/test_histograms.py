"""Where to look for slowness: on log-normal latencies the interpolation is exact, on odd ones it stays sane."""

from __future__ import annotations

import math
from statistics import NormalDist

import pytest
from hypothesis import given
from hypothesis import strategies as st

from delivery.gates.histograms import proof_bound, slow_share, slower, watch_bounds

BOUNDS = (0.5, 1, 5, 10, 25, 50, 100, 250, 500, 1000, 2500)


def lognormal(median: float, spread: float, requests: int = 1_000_000) -> list[tuple[float, int]]:
    return [(b, round(requests * NormalDist().cdf(math.log(b / median) / spread))) for b in BOUNDS]


@pytest.mark.parametrize("milliseconds", [30.0, 40.0, 75.0, 200.0])
def test_interpolation_is_exact_for_log_normal(milliseconds: float) -> None:
    exact = 1 - NormalDist().cdf(math.log(milliseconds / 40) / 0.8)
    assert slow_share(lognormal(40, 0.8), 1_000_000, milliseconds) == pytest.approx(exact, abs=0.002)


def test_margin_is_what_a_slower_version_shows() -> None:
    found = proof_bound(lognormal(40, 0.8), 1_000_000, 0.25)
    assert found is not None
    bound, margin = found
    stable = 1 - NormalDist().cdf(math.log(bound / 40) / 0.8)
    worse = 1 - NormalDist().cdf(math.log(bound / 50) / 0.8)
    assert margin == pytest.approx(worse - stable, abs=0.005)


def test_watched_bounds_are_in_the_tail() -> None:
    bounds = watch_bounds(lognormal(40, 0.8), 1_000_000, 0.1)
    assert [bound for bound, _ in bounds] == [100, 250, 500]
    assert all(ratio > 1 for _, ratio in bounds)


def test_a_service_faster_than_the_first_bucket_is_watched_too() -> None:
    histogram = [(bound, 1000) for bound in BOUNDS]
    assert watch_bounds(histogram, 1000, 0.1)
    assert proof_bound(histogram, 1000, 0.1) is not None


def test_nothing_measured_gives_no_bound() -> None:
    assert proof_bound((), 0, 0.1) is None
    assert watch_bounds((), 0, 0.1) == []
    assert slow_share((), 0, 10) == 0.0


def test_less_than_five_milliseconds_is_never_slower() -> None:
    assert slower(10, 0.1) == 5
    assert slower(100, 0.1) == pytest.approx(90.9, abs=0.1)


@given(st.lists(st.integers(0, 50), min_size=len(BOUNDS), max_size=len(BOUNDS)), st.floats(0.1, 5000))
def test_shares_fall_with_time_and_stay_between_0_and_1(cells: list[int], milliseconds: float) -> None:
    total, histogram = 0, []
    for bound, cell in zip(BOUNDS, cells, strict=True):
        total += cell
        histogram.append((bound, total))
    share = slow_share(histogram, total, milliseconds)
    assert 0 <= share <= 1
    assert slow_share(histogram, total, milliseconds * 1.3) <= share + 1e-12
    found = proof_bound(histogram, total, 0.2)
    assert found is None or 0 < found[1] <= 0.33
