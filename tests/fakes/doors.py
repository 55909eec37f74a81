"""The demo's doors where everything is slower than on a machine of one's own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from delivery.demo.doors import Doors, Row

PATIENCE = 3  # times as long as the demo: two engines' worth of processes, and gates that take noise for what it is


class PatientDoors(Doors):
    """The demo's doors on a machine that may be busy: what is claimed stays, how long it may take does not."""

    def rollout_when(
        self, project: str, revision: str, service: str, ready: Callable[[Row], Any], what: str, seconds: float = 180
    ) -> Row:
        """See Doors."""
        return super().rollout_when(project, revision, service, ready, what, seconds * PATIENCE)
