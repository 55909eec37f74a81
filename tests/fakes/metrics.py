"""Metrics in memory: readings as set by the test."""

from __future__ import annotations

from collections.abc import Mapping

from delivery.errors import Transient
from delivery.gates.samples import Counts


class FakeMetrics:
    """`counts` by lane, then by version."""

    def __init__(self) -> None:
        self.counts: dict[tuple[str, str, str], dict[str, Counts]] = {}
        self.away = False

    def read(self, project: str, service: str, color: str) -> Mapping[str, Counts]:
        if self.away:
            raise Transient("metrics are away")
        return dict(self.counts.get((project, service, color), {}))

    def add(self, lane: tuple[str, str, str], version: str, requests: int, errors: int = 0, ms: float = 10.0) -> None:
        """Let the version answer so many requests, each in `ms`."""
        old = self.counts.setdefault(lane, {}).get(version, Counts())
        bounds = [bound for bound, _ in old.latency] or [5.0, 25.0, 100.0, 1000.0, float("inf")]
        before = [count for _, count in old.latency] or [0] * len(bounds)
        latency = tuple(
            (bound, count + (requests if ms <= bound else 0)) for bound, count in zip(bounds, before, strict=True)
        )
        self.counts[lane][version] = Counts(old.requests + requests, old.errors + errors, latency)
