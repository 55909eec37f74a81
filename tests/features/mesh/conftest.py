"""A mesh with the bookshop in it, and a gateway that has settled."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import structlog

from mesh.serving.hub import Hub
from tests.fakes.gateway_client import GatewayClient
from tests.fakes.mesh_world import bookshop


@pytest.fixture
def hub() -> Hub:
    return Hub(bookshop(), clock=lambda: 0.0)


@pytest.fixture
async def gateway(hub: Hub) -> AsyncIterator[GatewayClient]:
    with structlog.testing.capture_logs():
        gateway = GatewayClient(hub)
        gateway.settle()
        gateway.told.clear()
        yield gateway
        gateway.close()
