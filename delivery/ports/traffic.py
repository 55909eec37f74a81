"""Traffic port: what delivery asks of the mesh. Real side: traffic_mesh.

Contract: an intent carries a rising generation per (project, service, color); the mesh refuses one older than
the newest it has seen (`Conflict`), an equal one is a no-op. Calls are durable once they return. `state` tells
whether every relevant proxy has accepted the newest generation. A mesh that is away raises `Transient`.
"""

from __future__ import annotations

from typing import Protocol

from delivery.intents import Intent, TrafficState


class Traffic(Protocol):
    """See the module's contract."""

    def set_intent(self, intent: Intent) -> None:
        """Ask for the weights."""
        ...

    def remove_intent(self, project: str, service: str, color: str, generation: int) -> None:
        """Withdraw the service from the lane: its requests fall back along the chain of bases."""
        ...

    def state(self, project: str, service: str, color: str) -> TrafficState:
        """Return what proxies have accepted."""
        ...

    def put_project(self, project: str, domain: str, entry_service: str, entry_port: int) -> None:
        """Expose the project at the gateway."""
        ...

    def remove_project(self, project: str) -> None:
        """Withdraw it."""
        ...

    def put_environment(self, project: str, color: str, base: str, fallback: str) -> None:
        """Make the colour known: its lane's base and what happens where it cannot answer."""
        ...

    def remove_environment(self, project: str, color: str) -> None:
        """Forget the colour; requests that carry it are answered by the baseline, stated in the receipt."""
        ...
