"""Strict environment: requests never leave the lane."""

from __future__ import annotations

from mesh.model.nouns import BASELINE, Environment, Fallback
from mesh.serving.hub import Hub
from tests.fakes.gateway_client import GatewayClient
from tests.fakes.mesh_world import SHOP

OWN = "reviews.bookshop|9080|alice|ra"


async def test_a_lane_that_becomes_strict_loses_what_is_behind_it(hub: Hub, gateway: GatewayClient) -> None:
    assert f"{OWN}|fallback" in gateway.routed()
    await gateway.show(hub.world.with_environment(Environment(SHOP, "alice", BASELINE, Fallback.STRICT)))
    gateway.settle()
    assert OWN in gateway.routed()
    assert f"{OWN}|fallback" not in gateway.routed()
