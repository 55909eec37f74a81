"""GatePolicy: what a team may set of the gate; see docs/gates.md. Pure; it stands in a rollout's strategy."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class GatePolicy:
    """What a team may set of the gate; see docs/gates.md. Rates are fractions of 1, times seconds."""

    confidence: float = 0.99  # false alarm at most 1 - confidence over the whole rollout
    error_tolerance: float = 0.01  # an increase of the error rate beyond this must be ruled out to pass
    latency_tolerance: float = 0.10  # so must a candidate more than this slower
    min_requests: int = 50  # of the candidate, before any pass
    warmup: float = 0.0
