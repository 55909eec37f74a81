"""Windows: from two cumulative readings to counts of both versions over the same time. Pure; for judge.

A side whose counters fell (restart without memory), or whose latency bounds changed, makes the interval useless for
both: it is skipped, and counting starts anew from the later reading.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from delivery.gates.histograms import finite
from delivery.gates.samples import Counts


@dataclass(frozen=True)
class Increment:
    """What one version answered between two readings. `timed`: requests with a latency; `fast`: at or below a bound."""

    requests: int
    errors: int
    timed: int
    fast: Mapping[float, int]

    def slow(self, bound: float) -> int:
        """Return how many requests took longer than `bound` ms."""
        return max(0, self.timed - self.fast.get(bound, self.timed))


def pack(counts: Counts) -> list[Any]:
    """Return a reading as JSON: requests, errors, timed requests, bounds, counts at or below them."""
    histogram = finite(counts.latency)
    return [counts.requests, counts.errors, _timed(counts), [b for b, _ in histogram], [c for _, c in histogram]]


def histogram(packed: Sequence[Any]) -> list[tuple[float, int]]:
    """Return the cumulative histogram of a packed reading."""
    return list(zip(packed[3], packed[4], strict=True))


def increment(before: Sequence[Any], after: Sequence[Any]) -> Increment | None:
    """Return what happened between two packed readings of one version; None when that cannot be told."""
    bounds = after[3] or before[3]
    old = before[4] or [0] * len(bounds)
    new = after[4] or [0] * len(bounds)
    if len(old) != len(bounds) or len(new) != len(bounds) or (before[3] and list(before[3]) != list(bounds)):
        return None
    deltas = [late - early for early, late in zip(old, new, strict=True)]
    requests, errors, timed = (after[index] - before[index] for index in range(3))
    if min(requests, errors, timed, *deltas, 0) < 0:
        return None
    return Increment(requests, min(errors, requests), timed, dict(zip(bounds, deltas, strict=True)))


def _timed(counts: Counts) -> int:
    if not counts.latency:
        return 0
    bound, count = counts.latency[-1]
    return count if math.isinf(bound) else max(counts.requests, count)
