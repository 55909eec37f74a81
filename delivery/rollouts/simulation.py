"""Simulation: a small deterministic world around one rollout, for scenarios and for explaining decisions. Pure.

No dice: requests and errors are expected values, rounded down. Neighbours: scenario (the script), decide (the subject).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from statistics import NormalDist

from delivery.gates.samples import Counts, Sample
from delivery.intents import Intent, TrafficState
from delivery.rollouts.decide import decide
from delivery.rollouts.invariants import assert_sound
from delivery.rollouts.model import AskTraffic, Decision, Effect, Facts, Rollout, WithdrawTraffic
from delivery.workloads import Health

BOUNDS = (1.0, 5.0, 10.0, 25.0, 50.0, 100.0, 250.0, 500.0, 1000.0, 2500.0, 5000.0)  # ms
SPREAD = 0.5  # of log latency
HISTORY = 2000.0  # requests the stable version has answered before the rollout begins

_NORMAL = NormalDist()


@dataclass
class Version:
    """How one version behaves, and what it has answered so far."""

    errors: float = 0.0
    latency: float = 40.0  # ms, median
    added: float = 0.0  # ms on every request
    answered: float = 0.0
    failed: float = 0.0
    fast: list[float] = field(default_factory=lambda: [0.0] * len(BOUNDS))

    def answer(self, requests: float) -> None:
        """Answer so many requests (a fraction counts as a part of the next one)."""
        self.answered += requests
        self.failed += requests * self.errors
        for index, bound in enumerate(BOUNDS):
            own = bound - self.added
            if own > 0:
                self.fast[index] += requests * _NORMAL.cdf(math.log(own / self.latency) / SPREAD)

    def counts(self) -> Counts:
        """Return the cumulative reading."""
        requests = _whole(self.answered)
        histogram = [(bound, min(_whole(count), requests)) for bound, count in zip(BOUNDS, self.fast, strict=True)]
        return Counts(requests, min(_whole(self.failed), requests), (*histogram, (math.inf, requests)))


@dataclass
class World:
    """Mesh, platform and metrics of one service in one environment, and the rollout as it was saved last."""

    rollout: Rollout
    now: float = 0.0
    rate: float = 50.0  # requests a second
    candidate: Health = Health.STARTING
    reason: str = ""
    stable: Health = Health.READY
    newer: str = ""
    lagging: tuple[str, ...] = ()  # proxies that do not acknowledge
    metrics: bool = True
    mesh: Intent | None = None
    versions: dict[str, Version] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.versions = {"stable": Version(), "candidate": Version()}
        if self.rollout.stable:
            self.versions["stable"].answer(HISTORY)

    def facts(self) -> Facts:
        """Read the world."""
        sample = Sample(self.now, self.versions["stable"].counts(), self.versions["candidate"].counts())
        generation = self.mesh.generation if self.mesh else 0
        waiting = tuple(f"{proxy}: not yet acknowledged" for proxy in self.lagging)
        traffic = TrafficState(generation, not self.lagging, waiting)
        return Facts(self.candidate, self.reason, self.stable, traffic, sample if self.metrics else None, self.newer)

    def pass_time(self, seconds: float) -> None:
        """Let requests flow by the weights the mesh holds."""
        self.now += seconds
        share = self.mesh.weights.get(self.rollout.candidate, 0) / 100 if self.mesh else 0.0
        self.versions["candidate"].answer(self.rate * seconds * share)
        self.versions["stable"].answer(self.rate * seconds * (1 - share))

    def tick(self, *, save: bool = True) -> Decision:
        """Decide and perform; without `save` the process dies before the new state is written."""
        facts = self.facts()
        decision = decide(self.rollout, facts, self.now)
        assert_sound(self.rollout, facts, decision)
        for effect in decision.effects:
            self.perform(effect)
        if save:
            self.rollout = replace(decision.rollout, row_version=self.rollout.row_version + 1)
        return decision

    def perform(self, effect: Effect) -> None:
        """Carry out what concerns the mesh; an older or equal generation changes nothing."""
        held = self.mesh.generation if self.mesh else 0
        if isinstance(effect, AskTraffic) and effect.intent.generation > held:
            self.mesh = effect.intent
        elif isinstance(effect, WithdrawTraffic):
            self.mesh = None


def _whole(value: float) -> int:
    """Round down, forgiving the dust of adding up fractions."""
    return math.floor(value + 1e-6)
