"""The API's token, its open paths, and a replica that is going."""

from __future__ import annotations

import pytest
from fastapi.testclient import TestClient

from mesh.api.app import Doors, create_app
from mesh.api.guard import check_bind
from mesh.errors import Rejected
from mesh.serving.hub import Hub
from tests.fakes.mesh_store import MemoryStore, NoTelemetry
from tests.fakes.mesh_world import bookshop


def api(doors: Doors) -> TestClient:
    hub = Hub(bookshop(), clock=lambda: 0.0)
    return TestClient(create_app(hub, MemoryStore(hub), NoTelemetry(), None, doors))


@pytest.mark.parametrize("header", ["", "Bearer", "Bearer wrong", "Basic right", "Bearer right2", "Bearer rigHt"])
def test_without_the_token_only_probes_and_metrics_answer(header: str) -> None:
    asks = api(Doors("right"))
    headers = {"authorization": header} if header else {}
    for path in ("/v1/status", "/v1/proxies", "/internal/proxies", "/docs", "/openapi.json"):
        refused = asks.get(path, headers=headers)
        assert (refused.status_code, refused.headers["www-authenticate"]) == (401, "Bearer")
        assert "COLORLANE_MESH_TOKEN" in refused.json()["remedy"]
    assert asks.put("/v1/nodes/n/endpoints", json={"endpoints": []}, headers=headers).status_code == 401
    assert {asks.get(path, headers=headers).status_code for path in ("/healthz", "/readyz", "/metrics")} == {200}


def test_with_the_token_everything_answers_by_any_host_name() -> None:
    asks = api(Doors("right"))
    headers = {"authorization": "bearer right", "host": "colorlane-mesh.colorlane.svc:15012"}
    assert asks.get("/v1/status", headers=headers).status_code == 200


def test_a_replica_that_is_going_is_not_ready_and_ends_its_connections() -> None:
    doors = Doors()
    asks = api(doors)
    assert "connection" not in asks.get("/readyz").headers
    doors.leaving = True
    assert asks.get("/readyz").status_code == 503
    answer = asks.get("/v1/status")
    assert (answer.status_code, answer.headers["connection"]) == (200, "close")


def test_beyond_loopback_it_does_not_start_without_a_token() -> None:
    for host in ("127.0.0.1", "::1", "localhost"):
        check_bind(host, "")
    check_bind("0.0.0.0", "secret")
    for host in ("0.0.0.0", "::", "10.1.2.3", "mesh"):
        with pytest.raises(Rejected, match="no token is set"):
            check_bind(host, "")
