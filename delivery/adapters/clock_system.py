"""Clock on the system's time."""

from __future__ import annotations

import time


class SystemClock:
    """Seconds since the epoch, UTC."""

    def now(self) -> float:
        """Return the time now."""
        return time.time()
