"""Lane with base: what a lane lacks is answered by its base, and at last by the baseline."""

from __future__ import annotations

from mesh.serving.hub import Hub
from tests.fakes.gateway_client import GatewayClient
from tests.fakes.mesh_world import intent

BASE, STABLE = "reviews.bookshop|9080|alice|ra", "reviews.bookshop|9080|-|r1"
OWN = "reviews.bookshop|9080|bob|rb"


async def test_a_lane_falls_back_to_its_base_first(hub: Hub, gateway: GatewayClient) -> None:
    assert gateway.chain(f"{BASE}|fallback") == [BASE, STABLE]
    await gateway.show(hub.world.with_intent(intent("reviews", "bob", "rb")))
    gateway.settle()
    assert gateway.chain(f"{OWN}|fallback") == [OWN, BASE, STABLE]
    assert gateway.told.index("CDS") < gateway.told.index("RDS"), "clusters before the routes that lead to them"
