"""Two streams of one proxy: a stranger of the same name comes and goes; the real one stays configured and counted."""

from __future__ import annotations

from mesh.model.nouns import BASELINE
from mesh.serving.hub import Hub
from tests.fakes.gateway_client import GatewayClient
from tests.fakes.mesh_world import intent


async def test_a_stranger_that_goes_leaves_the_real_gateway_connected(hub: Hub, gateway: GatewayClient) -> None:
    stranger = GatewayClient(hub)
    stranger.settle()
    stranger.close()
    step = intent("reviews", BASELINE, "r1", 2, r1=50, r2=50)
    await gateway.show(hub.world.with_intent(step))
    gateway.settle()
    assert gateway.told == ["RTDS"]
    assert not any(why.startswith("gateway/main") for why in hub.waiting_on_intent(step))


async def test_while_both_are_there_both_are_told(hub: Hub, gateway: GatewayClient) -> None:
    stranger = GatewayClient(hub)
    stranger.settle()
    stranger.told.clear()
    step = intent("reviews", BASELINE, "r1", 2, r1=50, r2=50)
    await gateway.show(hub.world.with_intent(step))
    gateway.settle()
    stranger.settle()
    stranger.close()
    assert gateway.told == stranger.told == ["RTDS"]
