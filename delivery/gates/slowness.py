"""Slowness: the evidence that the candidate is slower, at a few latency bounds. Pure; neighbours: evidence, judge.

A service whose stable version itself has restless windows (pauses, batches) gets a lower cap: what is usual there must
last longer on the candidate before it counts. The cap is fixed before the window it applies to, so validity is kept.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from delivery.gates import evidence
from delivery.gates.histograms import ENOUGH_REQUESTS, watch_bounds
from delivery.gates.histograms import slow_share as share_above
from delivery.gates.policy import GatePolicy
from delivery.gates.windows import histogram

CALM_CAP = math.exp(0.58)  # most a window may multiply the evidence by
RESTLESS_CAP = math.exp(0.25)  # the same for a service with restless windows
RESTLESS = 3.0  # mean squared standardised deviation of the stable version's slow requests; 1 for independent ones
RESTLESS_WINDOWS = 5  # before that many windows nobody is called restless

State = Mapping[str, Any]


def begin(stable: Sequence[Any], policy: GatePolicy) -> dict[str, Any] | None:
    """Choose where to look, from the stable version's packed reading; None while its past is too short to say."""
    if policy.latency_tolerance <= 0 or stable[2] < ENOUGH_REQUESTS:
        return None
    past = histogram(stable)
    bounds = watch_bounds(past, stable[2], policy.latency_tolerance)
    if not bounds:
        return None
    return {
        "bounds": [list(each) for each in bounds],
        "processes": [evidence.begin() for _ in bounds],
        "timed": [0, 0],
        "slow": [[0, 0] for _ in bounds],
        "usual": [share_above(past, stable[2], bound) for bound, _ in bounds],
        "unrest": [0.0 for _ in bounds],
        "windows": 0,
    }


def bet(latency: State, window: State) -> dict[str, Any]:
    """Return the evidence after one window of both versions."""
    n_c, n_b = window["timed"]
    cap = RESTLESS_CAP if restless(latency) else CALM_CAP
    processes = [
        evidence.bet(process, (n_c, k_c, n_b, k_b), ratio, 0.0, cap)
        for process, (_, ratio), (k_c, k_b) in zip(latency["processes"], latency["bounds"], window["slow"], strict=True)
    ]
    return {
        **latency,
        "processes": processes,
        "timed": [latency["timed"][0] + n_c, latency["timed"][1] + n_b],
        "slow": [[c + k_c, b + k_b] for (c, b), (k_c, k_b) in zip(latency["slow"], window["slow"], strict=True)],
        "unrest": _unrest(latency, n_b, [k_b for _, k_b in window["slow"]]),
        "windows": latency["windows"] + (n_b > 0),
    }


def restless(latency: State) -> bool:
    """Tell whether the stable version's own slow requests come in clumps."""
    windows = int(latency["windows"])
    return windows >= RESTLESS_WINDOWS and float(max(latency["unrest"])) > RESTLESS * windows


def _unrest(latency: State, n_b: int, slow: Sequence[int]) -> list[float]:
    """Add up squared deviations from what the windows before let expect (the past counts as 200 requests)."""
    grown = []
    for index, (so_far, k_b) in enumerate(zip(latency["unrest"], slow, strict=True)):
        seen, bad = latency["timed"][1], latency["slow"][index][1]
        share = (bad + ENOUGH_REQUESTS * latency["usual"][index]) / (seen + ENOUGH_REQUESTS)
        expected = max(share * n_b, 0.5)
        grown.append(so_far + (k_b - share * n_b) ** 2 / expected)
    return grown
