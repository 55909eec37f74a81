"""Differences of cumulative readings: a restart or other bounds make the interval useless, never wrong."""

from __future__ import annotations

import math

from delivery.gates.samples import Counts
from delivery.gates.windows import histogram, increment, pack


def test_difference_of_two_readings() -> None:
    before = pack(Counts(100, 2, ((10.0, 60), (50.0, 90), (math.inf, 100))))
    after = pack(Counts(150, 5, ((10.0, 80), (50.0, 130), (math.inf, 150))))
    change = increment(before, after)
    assert change is not None
    assert (change.requests, change.errors, change.timed) == (50, 3, 50)
    assert change.slow(10.0) == 30
    assert change.slow(50.0) == 10
    assert change.slow(7.0) == 0


def test_first_latencies_of_a_version_that_had_none() -> None:
    change = increment(pack(Counts()), pack(Counts(10, 0, ((10.0, 4), (math.inf, 10)))))
    assert change is not None
    assert change.slow(10.0) == 6


def test_a_fall_of_any_counter_is_a_restart() -> None:
    high = pack(Counts(100, 5, ((10.0, 50),)))
    for low in (Counts(99, 5, ((10.0, 50),)), Counts(100, 4, ((10.0, 50),)), Counts(100, 5, ((10.0, 49),))):
        assert increment(high, pack(low)) is None


def test_other_bounds_are_not_compared() -> None:
    assert increment(pack(Counts(1, 0, ((10.0, 1),))), pack(Counts(2, 0, ((20.0, 2),)))) is None


def test_infinite_bound_is_kept_out_of_the_state() -> None:
    packed = pack(Counts(3, 0, ((10.0, 1), (math.inf, 3))))
    assert histogram(packed) == [(10.0, 1)]
