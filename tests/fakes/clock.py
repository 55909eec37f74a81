"""A clock that moves when told."""

from __future__ import annotations


class FakeClock:
    """Starts at `at` seconds."""

    def __init__(self, at: float = 1000.0) -> None:
        self.at = at

    def now(self) -> float:
        return self.at

    def pass_(self, seconds: float) -> None:
        self.at += seconds
