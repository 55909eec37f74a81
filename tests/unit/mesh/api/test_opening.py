"""The HTTP port before the mesh is loaded: alive, not ready and why, and no answer from half of the world."""

from __future__ import annotations

import httpx
from fastapi import FastAPI

from mesh.api.opening import Opening
from mesh.api.views import metrics_text
from mesh.model.world import World


async def ask(opening: Opening, path: str) -> httpx.Response:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(opening), base_url="http://mesh") as client:
        return await client.get(path)


async def test_it_is_alive_and_says_what_it_waits_for() -> None:
    opening = Opening(lambda: ["/api/v1/pods: forbidden"])
    assert (await ask(opening, "/healthz")).status_code == 200
    for path in ("/readyz", "/v1/endpoints/shop/web/-/v1/0"):
        answer = await ask(opening, path)
        assert answer.status_code == 503
        assert answer.json()["detail"] == "the mesh is starting: /api/v1/pods: forbidden"
        assert answer.headers["retry-after"] == "1"


async def test_it_hands_over() -> None:
    opening, app = Opening(list), FastAPI()
    app.get("/readyz")(lambda: {"status": "ready"})
    opening.app = app
    assert (await ask(opening, "/readyz")).json() == {"status": "ready"}


def test_metrics_tell_how_well_the_cluster_is_followed() -> None:
    registry = {"synced": True, "stale_seconds": 12.5, "services": 2, "pods": 3, "endpoints": 3}
    text = metrics_text(World(), 1, [], registry)
    assert "colorlane_mesh_registry_synced 1\n" in text
    assert "colorlane_mesh_registry_stale_seconds 12.5\n" in text
    assert "registry" not in metrics_text(World(), 1, [])
