"""Verdict: what the gate says, with the evidence it says it on. Pure; neighbours: judge, rollouts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class Outcome(StrEnum):
    """The three answers. Only `failed` may roll back by itself, only `passed` lets an analysis step end."""

    PASSED = "passed"
    FAILED = "failed"
    INCONCLUSIVE = "inconclusive"  # too little is known yet, or nothing can be read


@dataclass(frozen=True)
class Verdict:
    """`sentence` is for people and carries the numbers; `needs` says how much more an inconclusive gate wants.

    `evidence` is JSON-able: counts of both versions, the interval (`from`, `to`, seconds since the epoch), e-values
    with their limits, and the metric that decided.
    """

    outcome: Outcome
    sentence: str
    needs: str = ""
    evidence: Mapping[str, Any] = field(default_factory=dict)
