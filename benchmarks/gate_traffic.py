"""Traffic for calibrating the gate: readings of two versions, one a second, with the troubles real services have.

Poisson arrivals, log-normal latencies, Envoy's default bucket bounds. The troubles (drift, shared incidents, error
bursts that hit one version as a whole, cold starts, pauses) are those of the research's simulator, at one-second grain.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import numpy as np

from delivery.gates.samples import Counts, Sample

BOUNDS = np.array([0.5, 1, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10000])  # ms
_CDF = np.vectorize(NormalDist().cdf)


@dataclass(frozen=True)
class Traffic:
    """One scenario. Rates are fractions of 1, times seconds; `worse_*`, `slower_*`, `tail` hold for the candidate."""

    name: str
    rps: float = 100.0
    weight: float = 0.1
    errors: float = 0.001
    median_ms: float = 40.0
    spread: float = 0.8
    worse_times: float = 1.0
    worse_by: float = 0.0
    slower_times: float = 1.0
    slower_ms: float = 0.0
    tail: float = 0.0  # share of candidate requests that take a second
    onset: float = 0.0
    drift: bool = False
    incident: tuple[float, float] | None = None  # from, to: both versions fail 5 % more and are three times slower
    bursts: tuple[float, float] | None = None  # bursts per 100,000 requests, mean size; each hits one version
    cold: bool = False  # 30 s: 2 % more errors, five times slower
    pauses: float = 0.0  # seconds: each version is four times slower for so long, 3 % of the time
    node_effect: float = 0.0  # sd of the log of a lasting latency factor of the candidate
    intermittent: tuple[float, float, float] | None = None  # period, duration, extra error rate
    history: int = 3000  # requests the stable version has answered before


def readings(traffic: Traffic, seconds: int, seed: int) -> Iterator[Sample]:
    """Yield the reading before the weight moves, then one a second."""
    dice = np.random.default_rng(seed)
    phase = dice.random()
    sides = [_side(traffic, seconds, dice, candidate, phase) for candidate in (False, True)]
    yield Sample(0.0, _counts(sides[0], 0), _counts(sides[1], 0))
    for t in range(1, seconds + 1):
        yield Sample(float(t), _counts(sides[0], t), _counts(sides[1], t))


def _side(traffic: Traffic, seconds: int, dice: np.random.Generator, candidate: bool, phase: float) -> dict[str, Any]:
    """Return cumulative requests, errors and histogram of one version, second by second."""
    t = np.arange(seconds)
    share = traffic.weight if candidate else 1 - traffic.weight
    wave = np.sin(2 * np.pi * (t / 7200 + phase)) if traffic.drift else np.zeros(seconds)
    on = t >= traffic.onset if candidate else np.zeros(seconds, bool)
    rate = traffic.errors * np.exp(0.8 * wave)
    rate = np.where(on, rate * traffic.worse_times + traffic.worse_by, rate)
    median = traffic.median_ms * np.exp(0.25 * wave) * np.where(on, traffic.slower_times, 1.0)
    if traffic.incident:
        hit = (t >= traffic.incident[0]) & (t < traffic.incident[1])
        rate, median = rate + 0.05 * hit, median * np.where(hit, 3.0, 1.0)
    if candidate and traffic.cold:
        rate, median = rate + 0.02 * (t < 30), median * np.where(t < 30, 5.0, 1.0)
    if candidate and traffic.intermittent:
        period, duration, extra = traffic.intermittent
        rate = rate + extra * ((t % period) < duration)
    if candidate and traffic.node_effect:
        median = median * np.exp(dice.normal(0, traffic.node_effect))
    if traffic.pauses:
        median = median * np.where(_pauses(traffic.pauses, seconds, dice), 4.0, 1.0)
    requests = dice.poisson(traffic.rps * (1 + 0.5 * wave) * share)
    failed = dice.binomial(requests, np.clip(rate, 0, 1))
    if traffic.bursts:
        extra_failed = _bursts(requests, *traffic.bursts, dice)
        requests, failed = requests + extra_failed, failed + extra_failed
    slower = np.where(on, traffic.slower_ms, 0.0) if candidate else np.zeros(seconds)
    histogram = _histogram(requests, median, slower, traffic, candidate, on, dice)
    past = _past(traffic, dice) if not candidate else (0, 0, np.zeros(len(BOUNDS), int))
    return {
        "requests": past[0] + np.concatenate([[0], np.cumsum(requests)]),
        "errors": past[1] + np.concatenate([[0], np.cumsum(failed)]),
        "histogram": past[2] + np.concatenate([np.zeros((1, len(BOUNDS)), int), np.cumsum(histogram, axis=0)]),
    }


def _counts(side: dict[str, Any], t: int) -> Counts:
    histogram = tuple(zip(BOUNDS.tolist(), side["histogram"][t].tolist(), strict=True))
    requests = int(side["requests"][t])
    return Counts(requests, int(side["errors"][t]), (*histogram, (float("inf"), requests)))


def _pauses(length: float, seconds: int, dice: np.random.Generator) -> Any:
    """Blocks of `length` seconds, each paused with probability 3 %."""
    blocks = dice.random(int(seconds / length) + 1) < 0.03
    return np.repeat(blocks, int(length))[:seconds]


def _bursts(requests: Any, per_100k: float, size: float, dice: np.random.Generator) -> Any:
    """Failing requests in clusters: geometric size, spread over the seconds after the burst began (mean 2 s)."""
    extra = np.zeros(len(requests), int)
    for start in np.repeat(np.arange(len(requests)), dice.poisson(requests * per_100k / 1e5)):
        offsets = dice.exponential(2.0, dice.geometric(1 / size)).astype(int)
        np.add.at(extra, np.minimum(start + offsets, len(requests) - 1), 1)
    return extra


def _shares(median: Any, spread: float, slower: Any) -> Any:
    """Return P(latency <= bound) for each second and bound."""
    own = BOUNDS[None, :] - slower[:, None]
    z = np.log(np.maximum(own, 1e-9) / median[:, None]) / spread
    return np.where(own > 0, _CDF(z), 0.0)


def _histogram(
    requests: Any, median: Any, slower: Any, traffic: Traffic, candidate: bool, on: Any, dice: np.random.Generator
) -> Any:
    keys, which = np.unique(np.stack([median, slower], axis=1), axis=0, return_inverse=True)
    shares = _shares(keys[:, 0], traffic.spread, keys[:, 1])[which.reshape(-1)]
    if candidate and traffic.tail:
        late = _CDF(np.log(BOUNDS / 1000.0) / 0.3)
        shares = np.where(on[:, None], (1 - traffic.tail) * shares + traffic.tail * late[None, :], shares)
    cells = np.diff(np.concatenate([np.zeros((len(shares), 1)), shares, np.ones((len(shares), 1))], axis=1), axis=1)
    cells = np.clip(cells, 0, None)
    cells /= cells.sum(axis=1, keepdims=True)
    return np.cumsum(dice.multinomial(requests, cells), axis=1)[:, :-1]


def _past(traffic: Traffic, dice: np.random.Generator) -> tuple[int, int, Any]:
    requests = np.array([traffic.history])
    median = np.array([traffic.median_ms])
    histogram = _histogram(requests, median, np.zeros(1), traffic, False, np.zeros(1, bool), dice)
    return traffic.history, int(dice.binomial(traffic.history, traffic.errors)), histogram[0]
