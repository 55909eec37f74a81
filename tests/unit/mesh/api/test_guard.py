"""Web pages cannot reach the API through a browser on this machine; programs can, here and in a cluster."""

from __future__ import annotations

from typing import Any

import pytest
from fastapi.testclient import TestClient

from mesh.api.app import create_app
from mesh.api.guard import refusal
from mesh.serving.hub import Hub
from tests.fakes.mesh_store import MemoryStore, NoTelemetry
from tests.fakes.mesh_world import bookshop


def head(host: str, *, server: str = "127.0.0.1", method: str = "GET", **headers: str) -> dict[str, Any]:
    pairs = [(name.encode(), value.encode()) for name, value in {"host": host, **headers}.items()]
    return {"type": "http", "method": method, "server": (server, 15012), "headers": pairs}


@pytest.mark.parametrize("host", ["127.0.0.1:15012", "localhost:15012", "LOCALHOST", "[::1]:15012", "127.0.0.1"])
def test_programs_of_this_machine(host: str) -> None:
    assert not refusal(head(host))
    assert not refusal(head(host, method="PUT"))


@pytest.mark.parametrize("host", ["evil.example:15012", "", "localhost.evil.example", "127.0.0.1.evil.example", "[x"])
def test_a_name_that_was_bent_to_loopback(host: str) -> None:
    assert "not one of this machine" in refusal(head(host))


def test_in_a_cluster_it_has_any_name() -> None:
    assert not refusal(head("mesh.colorlane.svc:15012", server="10.0.0.7", method="PUT"))


@pytest.mark.parametrize("method", ["PUT", "DELETE", "POST"])
def test_a_change_asked_for_by_a_page(method: str) -> None:
    assert "web page" in refusal(head("localhost", method=method, origin="http://localhost:8080"))
    assert "web page" in refusal(head("mesh", server="10.0.0.7", method=method, origin="null"))


def test_it_stands_before_the_routes() -> None:
    hub = Hub(bookshop(), clock=lambda: 0.0)
    api = TestClient(create_app(hub, MemoryStore(hub), NoTelemetry()), base_url="http://127.0.0.1")
    refused = api.delete("/v1/namespaces/bookshop", headers={"origin": "http://evil.example"})
    assert refused.status_code == 403
    assert refused.json()["remedy"]
    assert "bookshop" in hub.world.namespaces
    assert api.get("/v1/status", headers={"host": "evil.example"}).status_code == 403
    assert api.get("/v1/status").status_code == 200
