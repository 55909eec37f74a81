"""Canary weights: a step of a rollout reaches proxies as weights and as nothing else."""

from __future__ import annotations

from mesh.model.nouns import BASELINE
from mesh.serving.hub import Hub
from tests.fakes.gateway_client import GatewayClient
from tests.fakes.mesh_world import intent


async def test_a_step_is_weights_and_programmed_when_accepted(hub: Hub, gateway: GatewayClient) -> None:
    step = intent("reviews", BASELINE, "r1", 2, r1=50, r2=50)
    assert sorted(gateway.weights().values()) == [10, 90]
    await gateway.show(hub.world.with_intent(step))
    assert any(why.startswith("gateway/main") for why in hub.waiting_on_intent(step)), "it has not been told yet"
    gateway.settle()
    assert gateway.told == ["RTDS"]
    assert sorted(gateway.weights().values()) == [50, 50]
    assert not any(why.startswith("gateway/main") for why in hub.waiting_on_intent(step))


async def test_a_promotion_leaves_the_old_version_without_a_weight(hub: Hub, gateway: GatewayClient) -> None:
    await gateway.show(hub.world.with_intent(intent("reviews", BASELINE, "r2", 2)))
    gateway.settle()
    assert gateway.told.index("RDS") < len(gateway.told) - 1 - gateway.told[::-1].index("RTDS"), "routes, then weights"
    assert gateway.weights() == {}
