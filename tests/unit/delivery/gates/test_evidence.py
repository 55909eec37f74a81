"""The evidence is fair: on average it never grows when the candidate is no worse, and it grows fast when it is."""

from __future__ import annotations

import json
from math import comb

import pytest
from hypothesis import given
from hypothesis import strategies as st

from delivery.gates import evidence


def test_starting_mass_sums_to_one() -> None:
    assert sum(evidence.start_mass(t) for t in range(200_000)) == pytest.approx(1.0, abs=1e-3)
    assert evidence.value(evidence.begin()) == 1.0


@given(st.integers(1, 60), st.integers(1, 500), st.integers(1, 12), st.floats(1.0, 5.0), st.floats(1.1, 50.0))
def test_a_window_is_fair_when_the_candidate_is_as_bad_as_allowed(
    n_c: int, n_b: int, bad: int, ratio: float, cap: float
) -> None:
    """`bad` requests fall on the candidate independently with the share the null hypothesis allows at most."""
    share = ratio * n_c / (ratio * n_c + n_b)
    mean = 0.0
    for k_c in range(bad + 1):
        after = evidence.bet(evidence.begin(), (n_c, k_c, n_b, bad - k_c), ratio, 0.0, cap)
        mean += comb(bad, k_c) * share**k_c * (1 - share) ** (bad - k_c) * evidence.value(after)
    assert mean <= 1 + 1e-9


@given(st.integers(1, 60), st.integers(1, 500), st.integers(1, 1000))
def test_a_burst_counts_once_whatever_its_size(n_c: int, n_b: int, size: int) -> None:
    """A cluster hits one version as a whole: on the candidate with probability share, on the stable one otherwise."""
    share = n_c / (n_c + n_b)
    hit = evidence.value(evidence.bet(evidence.begin(), (n_c, size, n_b, 0), 1.0, 0.0, 1e9))
    spared = evidence.value(evidence.bet(evidence.begin(), (n_c, 0, n_b, size), 1.0, 0.0, 1e9))
    assert share * hit + (1 - share) * spared <= 1 + 1e-9


@pytest.mark.parametrize("counts", [(0, 0, 50, 5), (5, 1, 0, 0), (5, 0, 45, 0)])
def test_silence_says_nothing(counts: tuple[int, ...]) -> None:
    assert evidence.bet(evidence.begin(), counts, 1.25, 0.0002, 8.5) == evidence.begin()


def test_four_groups_of_errors_on_a_tenth_of_the_traffic_are_enough_and_three_are_not() -> None:
    process = evidence.begin()
    values = []
    for _ in range(4):
        process = evidence.bet(process, (20, 1, 180, 0), 1.25, 0.0002, 8.5)
        values.append(evidence.value(process))
    assert 0.5 * values[2] < 100 <= 0.5 * values[3]


def test_a_tiny_rate_on_the_candidate_only_is_let_be() -> None:
    """One error in 5000 requests is the floor: such a candidate never gathers evidence."""
    process = evidence.begin()
    for _ in range(200):
        process = evidence.bet(process, (5000, 1, 45_000, 0), 1.25, 0.0002, 8.5)
    assert evidence.value(process) < 10


def test_a_regression_that_begins_late_is_found() -> None:
    process = evidence.begin()
    for _ in range(300):
        process = evidence.bet(process, (100, 1, 900, 9), 1.25, 0.0, 8.5)
    for _ in range(12):
        process = evidence.bet(process, (100, 20, 900, 9), 1.25, 0.0, 8.5)
    assert evidence.value(process) > 200


def test_state_survives_json() -> None:
    process = evidence.bet(evidence.begin(), (20, 1, 180, 2), 1.25, 0.0002, 8.5)
    assert json.loads(json.dumps(process)) == process
