"""Clock port: the only way shells learn the time. The core gets `now` as an argument."""

from __future__ import annotations

from typing import Protocol


class Clock(Protocol):
    """Seconds since the epoch, UTC."""

    def now(self) -> float:
        """Return the time now."""
        ...
