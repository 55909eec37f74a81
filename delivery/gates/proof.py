"""Proof: an e-process against "the candidate is worse by the margin or more"; when it is large, that is ruled out.

Null hypothesis: p_c >= p_b + m, for any p_b, both sides Bernoulli. With A < 1 < B, a = 1 - A, c = B - 1:

    L = A^k_c * B^k_b / sup_q (1 - (q + m) a)^n_c (1 + q c)^n_b        q in [0, 1 - m]

has expectation at most 1 under every such p_b: the denominator is the expectation of the numerator at its worst. The
logarithm of the bracket is concave in q, so the supremum has a closed form. A and B are those of the likelihood ratio
of "both sides have the stable version's past rate p" against the null next to it; they steer power, never validity.
Pure, stdlib math only; neighbours: judge, histograms.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

PAST_WORTH = 200  # requests the stable version's past counts for beside what it does now
RULED_OUT = 20.0  # e-value at which the null hypothesis is ruled out: 95 %


def growth(n_c: int, k_c: int, n_b: int, k_b: int, rate: float, margin: float) -> float:
    """Return ln L of one window. `rate`: the stable version's rate as known before the window."""
    if n_c <= 0 or n_b <= 0:
        return 0.0
    candidate, stable = _multipliers(n_c, n_b, rate, margin)
    worst = _worst(n_c, n_b, candidate, stable, margin)
    return k_c * math.log(candidate) + k_b * math.log(stable) - worst


def per_request(n_c: float, n_b: float, rate: float, margin: float) -> float:
    """Return the expected growth a candidate request, if the candidate is as good as the stable version."""
    if n_c <= 0 or n_b <= 0:
        return 0.0
    rate = max(rate, 0.02 * margin)
    null = rate + margin
    information = rate * math.log(rate / null) + (1 - rate) * math.log((1 - rate) / (1 - null)) if null < 1 else 0.0
    return information * n_b / (n_b + n_c)


def rate_now(proving: Mapping[str, Any], metric: int) -> float:
    """Return the stable version's rate of errors (0) or slow requests (1), as known from the past and this step."""
    if metric == 0:
        requests, bad = proving["counts"][2], proving["counts"][3]
    else:
        requests, bad = proving["timed"][1], proving["slow"][1]
    return float((bad + PAST_WORTH * proving["rates"][metric]) / (requests + PAST_WORTH))


def _multipliers(n_c: float, n_b: float, rate: float, margin: float) -> tuple[float, float]:
    """Return A and B, from the null (q + m, q) that is nearest to "both at `rate`"."""
    rate = min(max(rate, 0.1 * margin), 0.98 - margin)
    null = _nearest(n_c, n_b, rate, margin)
    candidate = rate * (1 - null - margin) / ((1 - rate) * (null + margin))
    return candidate, rate * (1 - null) / ((1 - rate) * null)


def _nearest(n_c: float, n_b: float, rate: float, margin: float) -> float:
    """Return the q that minimises n_c KL(rate | q + m) + n_b KL(rate | q), by bisection of the derivative.

    The slope rises with q, is negative at 0 and positive at `rate`. At this q the supremum of L's denominator is 1, so
    the likelihood ratio itself is the e-value; any error of the bisection is made good by dividing by the supremum.
    """
    low, high = 0.0, rate
    for _ in range(40):
        q = (low + high) / 2
        slope = n_c * (q + margin - rate) / ((q + margin) * (1 - q - margin)) - n_b * (rate - q) / (q * (1 - q))
        low, high = (low, q) if slope > 0 else (q, high)
    return (low + high) / 2


def _worst(n_c: float, n_b: float, candidate: float, stable: float, margin: float) -> float:
    """Return ln of the supremum over the stable version's rate q."""
    a, c = 1 - candidate, stable - 1
    q = 0.0
    if c > 0:
        q = (n_b * c * (1 - margin * a) - n_c * a) / (a * c * (n_b + n_c))
        q = min(max(q, 0.0), 1 - margin)
    return n_c * math.log1p(-(q + margin) * a) + n_b * math.log1p(q * c)
