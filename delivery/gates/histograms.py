"""Histograms: which latency bounds tell two versions apart, and what "slower" looks like there. Pure.

A histogram is cumulative: (upper bound in ms, requests at or below it). `slow(bound)` is the share above the bound.
Neighbours: samples (the readings), evidence and proof (the tests that use the shares).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from statistics import NormalDist

Histogram = Sequence[tuple[float, int]]

MIN_SHIFT_MS = 5.0  # a version that is less than this slower is never called slower: it is noise of one machine
ENOUGH_REQUESTS = 200  # of the stable version, before its histogram says where the bounds are
MAX_BOUNDS = 3
MARGIN_FLOOR = 0.2  # of the tolerance: buckets may hide the slope between bounds, and nothing can prove a margin of 0
MARGIN_LIMIT = 0.33  # of all requests, however far a slower version would move

_NORMAL = NormalDist()
_EDGE = 1e-3  # shares are kept off 0 and 1, where the normal scale has no place for them


def finite(histogram: Histogram) -> tuple[tuple[float, int], ...]:
    """Return the histogram without its infinite bound, which only repeats the number of requests."""
    return tuple((bound, count) for bound, count in histogram if math.isfinite(bound))


def slow_share(histogram: Histogram, requests: int, milliseconds: float) -> float:
    """Return the share of requests slower than `milliseconds`, between bounds by interpolation.

    The interpolation is linear between normal quantiles over log time: exact for a log-normal distribution.
    """
    bounds = finite(histogram)
    if requests <= 0 or not bounds:
        return 0.0
    points = [(bounds[0][0] / 8, 1.0), *((bound, 1 - count / requests) for bound, count in bounds)]
    if milliseconds <= points[0][0]:
        return 1.0
    for (low, share_low), (high, share_high) in pairwise(points):
        if milliseconds <= high:
            if milliseconds == high:
                return share_high
            part = math.log(milliseconds / low) / math.log(high / low)
            z = _quantile(share_low) * (1 - part) + _quantile(share_high) * part
            return min(max(_NORMAL.cdf(z), share_high), share_low)
    return points[-1][1]


def slower(bound: float, tolerance: float) -> float:
    """Return the time a request takes on the stable version that takes `bound` on one that is `tolerance` slower."""
    return min(bound / (1 + tolerance), bound - MIN_SHIFT_MS)


def watch_bounds(histogram: Histogram, requests: int, tolerance: float) -> list[tuple[float, float]]:
    """Return (bound, ratio): where to look for a slower candidate, and how many times the stable version's share of
    slow requests a candidate shows that is just `tolerance` slower.

    Bounds with 0.4 % to 45 % of slow requests tell most (research: stats.md, 3.4); with none in that range the lowest
    bound that hardly any request exceeds serves, as services faster than the first bucket have.
    """
    bounds = [bound for bound, _ in finite(histogram)]
    shares = [(bound, slow_share(histogram, requests, bound)) for bound in bounds]
    useful = [(bound, share) for bound, share in shares if 0.004 <= share <= 0.45][-MAX_BOUNDS:]
    rare = [(bound, max(share, 0.004)) for bound, share in shares if share < 0.004][:1]
    chosen = [*useful, *rare][-MAX_BOUNDS:]
    return [(bound, _ratio(histogram, requests, bound, share, tolerance)) for bound, share in chosen]


def proof_bound(histogram: Histogram, requests: int, tolerance: float) -> tuple[float, float] | None:
    """Return (bound, margin): where fewest requests prove "not slower", and by how much the share of slow requests
    grows there on a version that is `tolerance` slower. None without bounds."""
    best: tuple[float, float, float] | None = None
    for bound, _ in finite(histogram):
        share = slow_share(histogram, requests, bound)
        if share > 0.95:
            continue
        margin = slow_share(histogram, requests, slower(bound, tolerance)) - share
        worth = margin**2 / (max(share, margin / 2, 1e-3) * (1 - share))
        if best is None or worth > best[0]:
            best = (worth, bound, min(max(margin, MARGIN_FLOOR * tolerance), MARGIN_LIMIT, 0.98 - share))
    return None if best is None else (best[1], best[2])


def _ratio(histogram: Histogram, requests: int, bound: float, share: float, tolerance: float) -> float:
    return min(max(slow_share(histogram, requests, slower(bound, tolerance)) / share, 1.05), 20.0)


def _quantile(share: float) -> float:
    return _NORMAL.inv_cdf(min(max(share, _EDGE), 1 - _EDGE))
