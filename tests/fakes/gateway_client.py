"""A gateway in memory on a real hub: what the mesh serves it, in Envoy's order, in words a test can read."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import replace

from mesh.model.proxies import Gateway, Proxy
from mesh.model.world import World
from mesh.protos import message, to_dict
from mesh.serving.exchange import Response
from mesh.serving.hub import Hub
from mesh.serving.session import Session
from mesh.translation.naming import GATEWAY_ROUTES, RUNTIME_LAYER
from mesh.translation.resources import CLUSTER, ENDPOINTS, LISTENER, ROUTES, RUNTIME, SHORT_NAMES
from tests.fakes.envoy_client import FakeEnvoy


class GatewayClient:
    """Connected from the start. `told` has the types of the responses it took, in order, until it is cleared."""

    def __init__(self, hub: Hub) -> None:
        self.proxy: Proxy = Gateway("gateway/main", "127.0.0.1", 8080)
        self.session = Session(self.proxy.id)
        self.envoy = FakeEnvoy()
        self.told: list[str] = []
        self._hub = hub
        self._down: list[Response] = []
        self._news = asyncio.Event()
        self._pusher = asyncio.create_task(hub.push_changes())
        self.envoy.connect()
        hub.connect(self)

    def send(self, responses: list[Response]) -> None:
        """Take in what the hub sends; it arrives when `settle` comes to it."""
        self._down += responses
        self._news.set()

    async def show(self, world: World) -> None:
        """Make this the mesh's world and wait until the hub has sent what follows from it."""
        self._news.clear()
        self._hub.apply(world)
        async with asyncio.timeout(10):
            await self._news.wait()

    def settle(self) -> None:
        """Exchange messages until both sides are silent."""
        while self.envoy.outbox or self._down:
            if self.envoy.outbox:
                self.send(self.session.receive(self.envoy.outbox.pop(0), self._hub.clock()))
            if self._down:
                response = self._down.pop(0)
                self.told.append(SHORT_NAMES[response.type_url])
                self.envoy.take(replace(response, resources=tuple(map(self._readable, response.resources))))

    def close(self) -> None:
        """Go away."""
        self._hub.disconnect(self)
        self._pusher.cancel()

    def _readable(self, wire: bytes) -> bytes:
        envelope = to_dict(message("envoy.service.discovery.v3.Resource").FromString(wire))
        held = self._hub.translation.view(self.proxy).tables[ROUTES].get(envelope["name"])
        is_listener = envelope["resource"]["@type"] == LISTENER
        read = {
            "name": envelope["name"],
            "version": envelope["version"],
            "content": json.dumps(envelope["resource"], sort_keys=True),
            "needs": held.needs if held and envelope["resource"]["@type"] == ROUTES else (),
            "aggregate": "cluster_type" in envelope["resource"],
            "routes": GATEWAY_ROUTES if is_listener else "",
        }
        return json.dumps(read).encode()

    # What it has

    def routed(self) -> set[str]:
        """Names of the clusters that its routes lead to."""
        return {name for each in self.envoy.state[ROUTES].values() for name in each["needs"]}

    def chain(self, cluster: str) -> list[str]:
        """Return the members of a fallback cluster, first first."""
        content = json.loads(self.envoy.state[CLUSTER][cluster]["content"])
        return list(content["cluster_type"]["typed_config"]["clusters"])

    def replicas(self, cluster: str) -> int:
        """Return how many replicas it would send requests of a cluster to."""
        content = json.loads(self.envoy.state[ENDPOINTS][cluster]["content"])
        return sum(len(place.get("lb_endpoints", ())) for place in content.get("endpoints", ()))

    def weights(self) -> Mapping[str, int]:
        """Return the runtime weights it follows."""
        content = json.loads(self.envoy.state[RUNTIME][RUNTIME_LAYER]["content"])
        return {key: round(value) for key, value in content.get("layer", {}).items()}
