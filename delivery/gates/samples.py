"""What the gate sees: cumulative request counts and latency histograms. Pure."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Counts:
    """Cumulative since the version first took traffic. `errors` are 5xx, resets, timeouts and connect failures.

    `latency` is a cumulative histogram: (upper bound in ms, requests at or below it), bounds rising; the last
    bound may be inf and then equals `requests`.
    """

    requests: int = 0
    errors: int = 0
    latency: tuple[tuple[float, int], ...] = ()


@dataclass(frozen=True)
class Sample:
    """One reading of both versions at the same moment; `at` in seconds since the epoch."""

    at: float
    stable: Counts
    candidate: Counts
