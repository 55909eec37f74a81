"""The HTTP API: what it takes, what it refuses and how, what it tells."""

from __future__ import annotations

from typing import Any

import pytest
from fastapi.testclient import TestClient

from mesh.api.app import Doors, create_app
from mesh.serving.hub import Hub
from tests.fakes.mesh_store import MemoryStore, NoTelemetry
from tests.fakes.mesh_world import SHOP, bookshop

PATH = f"/v1/intents/{SHOP}/reviews/-"


@pytest.fixture
def hub() -> Hub:
    return Hub(bookshop(), clock=lambda: 0.0)


@pytest.fixture
def store(hub: Hub) -> MemoryStore:
    return MemoryStore(hub)


@pytest.fixture
def api(hub: Hub, store: MemoryStore) -> TestClient:
    return TestClient(create_app(hub, store, NoTelemetry()))


def weights(generation: int, **shares: int) -> dict[str, Any]:
    return {"generation": generation, "stable": "r1", "weights": shares}


def test_an_intent_is_taken_shown_and_refused_when_older(api: TestClient) -> None:
    taken = api.put(PATH, json=weights(5, r1=50, r2=50)).json()
    assert (taken["generation"], taken["weights"], taken["programmed"]) == (5, {"r1": 50, "r2": 50}, False)
    assert any(line.endswith("not connected") for line in taken["waiting_on"])
    assert api.put(PATH, json=weights(5, r1=50, r2=50)).status_code == 200
    refused = api.put(PATH, json=weights(4, r1=100))
    assert refused.status_code == 409
    assert refused.headers["content-type"] == "application/problem+json"
    assert refused.json()["remedy"] == "send a newer one"


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (weights(9, r1=50, r2=49), "weights sum to 99"),
        (weights(0, r1=100), "greater than or equal to 1"),
        ({**weights(9, r1=100), "mirror": "r2"}, "Extra inputs"),
        ({**weights(9), "weights": {"a/b": 100}}, "pattern"),
    ],
)
def test_what_is_wrong_is_told_field_by_field(api: TestClient, body: dict[str, Any], says: str) -> None:
    refused = api.put(PATH, json=body)
    assert refused.status_code == 422
    assert says in refused.json()["detail"]
    assert refused.json()["remedy"]


def test_a_withdrawn_intent_is_remembered(api: TestClient) -> None:
    assert api.delete(PATH, params={"generation": 9}).json()["withdrawn"] is True
    assert api.get(PATH).json()["generation"] == 9
    assert api.get(f"/v1/intents/{SHOP}/nobody/-").status_code == 404


def test_a_store_that_is_away_is_a_503_with_a_time(api: TestClient, store: MemoryStore) -> None:
    store.away = True
    answer = api.put(PATH, json=weights(5, r1=100))
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "2")


def test_endpoints_are_withdrawn_when_nobody_uses_them(api: TestClient, hub: Hub) -> None:
    known = next(iter(hub.world.endpoints))
    assert api.get(f"/v1/endpoints/{known}").json() == {
        "id": known,
        "state": "ready",
        "withdrawn": False,
        "waiting_on": [],
    }
    assert api.get("/v1/endpoints/never/known").json()["withdrawn"] is True
    assert api.put("/v1/nodes/local/endpoints", json={"endpoints": []}).status_code == 200
    assert hub.world.endpoints == {}
    assert api.get(f"/v1/endpoints/{known}").json()["withdrawn"] is True


def test_environments_and_namespaces(api: TestClient, hub: Hub) -> None:
    assert api.put(f"/v1/environments/{SHOP}/carol", json={"fallback": "strict"}).status_code == 200
    assert "carol" in hub.world.colors(SHOP)
    assert api.put(f"/v1/environments/{SHOP}/carol", json={"base": "carol"}).status_code == 400
    assert api.put(f"/v1/environments/{SHOP}/Carol_1", json={}).status_code == 422
    assert api.delete(f"/v1/environments/{SHOP}/carol").status_code == 200
    assert api.delete(f"/v1/namespaces/{SHOP}").status_code == 200
    assert hub.world.intents == {}


def test_why_explains_lane_weights_and_chain(api: TestClient) -> None:
    told = api.get("/v1/why", params={"host": "alice--reviews.bookshop.localhost:8080"}).json()
    assert told["color"] == "alice"
    assert told["targets"] == [{"version": "ra", "chain": ["alice|ra", "-|r1"], "weight": 100, "ready": [1, 1]}]
    inside = api.get("/v1/why", params={"host": "reviews:9080"}).json()
    assert [target["weight"] for target in inside["targets"]] == [90, 10]
    assert "outside" in api.get("/v1/why", params={"host": "example.org"}).json()["answer"]


@pytest.mark.parametrize("path", ["proxies", "services", "routes", "status", f"telemetry/{SHOP}/reviews/-"])
def test_reading(api: TestClient, path: str) -> None:
    assert api.get(f"/v1/{path}").status_code == 200


def test_health_and_metrics(api: TestClient) -> None:
    assert api.get("/healthz").status_code == api.get("/readyz").status_code == 200
    assert "colorlane_mesh_intents 5" in api.get("/metrics").text


def test_the_status_tells_of_injection_where_there_is_some(hub: Hub, store: MemoryStore, api: TestClient) -> None:
    assert "injection" not in api.get("/v1/status").json()
    said = {"webhook": "registered", "pods_without_sidecar": ["shop/web-1"]}
    door = TestClient(create_app(hub, store, NoTelemetry(), doors=Doors(injection=lambda: said)))
    assert door.get("/v1/status").json()["injection"] == said
