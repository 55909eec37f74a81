"""Slowness is found within seconds in a calm service, and takes longer to count in a restless one."""

from __future__ import annotations

import math
from typing import Any

from delivery.gates import evidence, slowness
from delivery.gates.policy import GatePolicy
from delivery.gates.samples import Counts
from delivery.gates.windows import pack

PAST = pack(Counts(2000, 0, ((10.0, 100), (50.0, 1400), (100.0, 1800), (250.0, 1980), (500.0, 2000), (math.inf, 2000))))


def fresh() -> dict[str, Any]:
    latency = slowness.begin(PAST, GatePolicy())
    assert latency is not None
    return latency


def window(candidate: tuple[int, ...], stable: tuple[int, ...]) -> dict[str, Any]:
    """Ten candidate and ninety stable requests, and how many of each exceed the three bounds."""
    return {"timed": [10, 90], "slow": [list(each) for each in zip(candidate, stable, strict=True)]}


def value(latency: dict[str, Any]) -> float:
    return max(evidence.value(process) for process in latency["processes"])


def test_nothing_is_watched_without_a_past_or_a_tolerance() -> None:
    assert slowness.begin(pack(Counts(10, 0, ((10.0, 10),))), GatePolicy()) is None
    assert slowness.begin(PAST, GatePolicy(latency_tolerance=0.0)) is None


def test_a_steady_service_is_calm_and_one_with_pauses_restless() -> None:
    calm, noisy = fresh(), fresh()
    for number in range(40):
        calm = slowness.bet(calm, window((1, 0, 0), (9, 1, 0)))
        noisy = slowness.bet(noisy, window((1, 0, 0), (80, 60, 30) if number == 10 else (9, 1, 0)))
    assert not slowness.restless(calm)
    assert slowness.restless(noisy)


def test_the_same_slowness_counts_less_in_a_restless_service() -> None:
    calm, noisy = fresh(), {**fresh(), "unrest": [1e6] * len(fresh()["bounds"]), "windows": 10}
    for _ in range(12):
        calm = slowness.bet(calm, window((10, 10, 10), (9, 1, 0)))
        noisy = slowness.bet(noisy, window((10, 10, 10), (9, 1, 0)))
    assert value(noisy) < 20 < value(calm)


def test_a_window_without_stable_requests_is_not_counted() -> None:
    latency = slowness.bet(fresh(), {"timed": [10, 0], "slow": [[5, 0]] * 3})
    assert latency["windows"] == 0
    assert value(latency) == 1.0
