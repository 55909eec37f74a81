"""Exponential back-off between restarts. Pure. Neighbours: platform_local.replica, embedded.supervisor."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Backoff:
    """Seconds to wait before the n-th restart in a row; a run of `forgiven_after` seconds starts the count anew."""

    first: float = 0.2
    factor: float = 2.0
    ceiling: float = 15.0
    forgiven_after: float = 10.0

    def delay(self, failures: int) -> float:
        """Return the pause after `failures` ends in a row (1: the first)."""
        exponent = min(max(failures - 1, 0), 32)  # keeps the power finite
        return min(self.first * self.factor**exponent, self.ceiling)

    def count(self, failures: int, ran_for: float) -> int:
        """Return the number of failures in a row after one more end that came `ran_for` seconds after the start."""
        return 1 if ran_for >= self.forgiven_after else failures + 1
