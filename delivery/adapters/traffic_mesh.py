"""Traffic on the bundled mesh, over its HTTP API. Port: `delivery.ports.traffic`."""

from __future__ import annotations

from contextlib import suppress

from delivery.adapters.mesh_errors import ours
from delivery.errors import NotFound
from delivery.intents import Intent, TrafficState
from mesh.client import MeshClient


class MeshTraffic:
    """`url` is the base of the mesh's HTTP API, `token` what it asks for, "" for nothing."""

    def __init__(self, url: str, token: str = "") -> None:
        self._mesh = MeshClient(url, token)

    def set_intent(self, intent: Intent) -> None:
        """Ask for the weights."""
        with ours():
            self._mesh.put_intent(
                intent.project, intent.service, intent.color, intent.generation, intent.stable, intent.weights
            )

    def remove_intent(self, project: str, service: str, color: str, generation: int) -> None:
        """Withdraw the service from the lane."""
        with suppress(NotFound), ours():
            self._mesh.remove_intent(project, service, color, generation)

    def state(self, project: str, service: str, color: str) -> TrafficState:
        """Return what proxies have accepted."""
        try:
            with ours():
                answer = self._mesh.intent(project, service, color)
        except NotFound:
            return TrafficState(generation=0, programmed=True, withdrawn=True)
        return TrafficState(
            generation=int(answer["generation"]),
            programmed=bool(answer["programmed"]),
            waiting_on=tuple(answer.get("waiting_on", ())),
            withdrawn=bool(answer.get("withdrawn")),
        )

    def put_project(self, project: str, domain: str, entry_service: str, entry_port: int) -> None:
        """Expose the project at the gateway."""
        with ours():
            self._mesh.put_namespace(project, domain, entry_service, entry_port)

    def remove_project(self, project: str) -> None:
        """Withdraw it."""
        with suppress(NotFound), ours():
            self._mesh.remove_namespace(project)

    def put_environment(self, project: str, color: str, base: str, fallback: str) -> None:
        """Make the colour known."""
        with ours():
            self._mesh.put_environment(project, color, base, fallback)

    def remove_environment(self, project: str, color: str) -> None:
        """Forget the colour."""
        with suppress(NotFound), ours():
            self._mesh.remove_environment(project, color)
