"""Draining endpoint: it gets no request any more before it is said to be withdrawn."""

from __future__ import annotations

from dataclasses import replace

from mesh.model.nouns import BASELINE, State
from mesh.serving.hub import Hub
from tests.fakes.gateway_client import GatewayClient
from tests.fakes.mesh_world import endpoint

CLUSTER = "reviews.bookshop|9080|-|r1"


async def test_it_is_withdrawn_when_the_gateway_has_let_go_of_it(hub: Hub, gateway: GatewayClient) -> None:
    leaving = endpoint("reviews", BASELINE, "r1")
    assert gateway.replicas(CLUSTER) == 1
    others = [each for each in hub.world.endpoints.values() if each.id != leaving.id]
    await gateway.show(hub.world.with_node("local", [*others, replace(leaving, state=State.DRAINING)]))
    assert any(why.startswith("gateway/main") for why in hub.waiting_on_endpoint(leaving.id))
    gateway.settle()
    assert gateway.told == ["EDS"]
    assert gateway.replicas(CLUSTER) == 0
    assert not any(why.startswith("gateway/main") for why in hub.waiting_on_endpoint(leaving.id))
