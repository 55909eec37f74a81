"""Traffic on the bundled mesh, over its HTTP API. Port: `delivery.ports.traffic`."""

from __future__ import annotations

from delivery.adapters.mesh_calls import MeshCalls
from delivery.errors import NotFound
from delivery.intents import Intent, TrafficState


class MeshTraffic:
    """`url` is the base of the mesh's HTTP API."""

    def __init__(self, url: str) -> None:
        self._mesh = MeshCalls(url)

    def set_intent(self, intent: Intent) -> None:
        """Ask for the weights."""
        body = {"generation": intent.generation, "stable": intent.stable, "weights": dict(intent.weights)}
        self._mesh.call("PUT", "intents", intent.project, intent.service, intent.color, body=body)

    def remove_intent(self, project: str, service: str, color: str, generation: int) -> None:
        """Withdraw the service from the lane."""
        try:
            self._mesh.call("DELETE", "intents", project, service, color, generation=generation)
        except NotFound:
            return

    def state(self, project: str, service: str, color: str) -> TrafficState:
        """Return what proxies have accepted."""
        try:
            answer = self._mesh.call("GET", "intents", project, service, color)
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
        body = {"domain": domain, "entry": {"service": entry_service, "port": entry_port}}
        self._mesh.call("PUT", "namespaces", project, body=body)

    def remove_project(self, project: str) -> None:
        """Withdraw it."""
        try:
            self._mesh.call("DELETE", "namespaces", project)
        except NotFound:
            return

    def put_environment(self, project: str, color: str, base: str, fallback: str) -> None:
        """Make the colour known."""
        self._mesh.call("PUT", "environments", project, color, body={"base": base, "fallback": fallback})

    def remove_environment(self, project: str, color: str) -> None:
        """Forget the colour."""
        try:
            self._mesh.call("DELETE", "environments", project, color)
        except NotFound:
            return
