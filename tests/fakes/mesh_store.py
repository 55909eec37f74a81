"""A store of the mesh that forgets, and telemetry that has counted nothing: for tests of its HTTP API."""

from __future__ import annotations

from collections.abc import Mapping

from mesh.errors import Conflict, Transient
from mesh.model.nouns import Endpoint, Environment, Intent, Namespace
from mesh.serving.hub import Hub


class MemoryStore:
    """Writes go straight to the hub."""

    def __init__(self, hub: Hub) -> None:
        self.hub = hub
        self.away = False

    async def put_namespace(self, namespace: Namespace) -> None:
        self.hub.apply(self.hub.world.with_namespace(namespace))

    async def remove_namespace(self, name: str) -> None:
        self.hub.apply(self.hub.world.without_namespace(name))

    async def put_environment(self, environment: Environment) -> None:
        self.hub.apply(self.hub.world.with_environment(environment))

    async def remove_environment(self, namespace: str, color: str) -> None:
        self.hub.apply(self.hub.world.without_environment(namespace, color))

    async def put_intent(self, intent: Intent) -> None:
        if self.away:
            raise Transient("the store is away", retry_after=2)
        held = self.hub.world.intents.get(intent.key)
        if held is not None and held.generation > intent.generation:
            raise Conflict("older", field="generation", remedy="send a newer one")
        self.hub.apply(self.hub.world.with_intent(intent))

    async def put_node(self, node: str, endpoints: list[Endpoint]) -> None:
        self.hub.apply(self.hub.world.with_node(node, endpoints))

    async def put_ports(self, ports: Mapping[tuple[str, str], Mapping[int, str]]) -> None:
        self.hub.apply(self.hub.world.with_ports(ports))


class NoTelemetry:
    """Nothing was counted."""

    async def answer(self, namespace: str, service: str, color: str) -> dict[str, object]:
        return {"versions": {color or "baseline": {}}}
