"""Whatever is sent to the API, it is taken or refused with the field and a remedy; never a 500."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mesh.api.app import create_app
from mesh.api.problems import LONGEST_BODY, MEDIA_TYPE
from mesh.serving.hub import Hub
from tests.fakes.mesh_store import MemoryStore, NoTelemetry
from tests.fakes.mesh_world import SHOP, bookshop

INTENT = f"/v1/intents/{SHOP}/reviews/-"
NODE = "/v1/nodes/local/endpoints"
NAMESPACE = "/v1/namespaces/other"
PORT = {"name": "http", "port": 80, "inbound": 20001, "target": 30001, "protocol": "http"}
ENDPOINT = {
    "id": "bookshop/reviews/-/r1/0",
    "namespace": "bookshop",
    "service": "reviews",
    "version": "r1",
    "ports": [PORT],
    "outbound": 20002,
    "state": "ready",
}


@pytest.fixture(scope="module")
def api() -> TestClient:
    hub = Hub(bookshop(), clock=lambda: 0.0)
    return TestClient(create_app(hub, MemoryStore(hub), NoTelemetry()), raise_server_exceptions=False)


def intent(**fields: object) -> dict[str, object]:
    return {"generation": 9, "stable": "r1", "weights": {"r1": 100}, **fields}


def endpoint(**fields: object) -> dict[str, object]:
    return {"endpoints": [{**ENDPOINT, **fields}]}


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        (INTENT, intent(weights={"r1": 99}), "weights"),
        (INTENT, intent(weights={"r1": 110, "r2": -10}), "weights.r1"),
        (INTENT, intent(weights={"r1": 150}), "weights.r1"),
        (INTENT, intent(weights={}), "weights"),
        (INTENT, intent(weights={f"r{n}": 5 for n in range(21)}), "weights"),
        (INTENT, intent(stable=""), "stable"),
        (INTENT, intent(stable="a|b"), "stable"),
        (INTENT, intent(stable="\ud800"), "stable"),
        (INTENT, intent(generation=2**60), "generation"),
        (INTENT, intent(generation="new"), "generation"),
        (INTENT, [], ""),
        ("/v1/intents/Bookshop/reviews/-", intent(), "namespace"),
        ("/v1/intents/bookshop/reviews/a_b", intent(), "color"),
        ("/v1/intents/bookshop/" + "r" * 64 + "/-", intent(), "service"),
        (NODE, endpoint(address="reviews.example"), "endpoints.0.address"),
        (NODE, endpoint(id="\ud800\x00"), "endpoints.0.id"),
        (NODE, endpoint(state="asleep"), "endpoints.0.state"),
        (NODE, endpoint(ports=[{**PORT, "inbound": 0}]), "endpoints.0.ports.0.inbound"),
        ("/v1/nodes/a%00b/endpoints", {"endpoints": []}, "node"),
        (NAMESPACE, {"domain": "a..b", "entry": {"service": "web", "port": 80}}, "domain"),
        (NAMESPACE, {"domain": "*", "entry": {"service": "web", "port": 80}}, "domain"),
        (NAMESPACE, {"domain": "bookshop.localhost", "entry": {"service": "web", "port": 80}}, "domain"),
        ("/v1/environments/bookshop/alice", {"fallback": "maybe"}, "fallback"),
    ],
)
def test_what_is_wrong_is_named_with_a_remedy(api: TestClient, path: str, body: object, field: str) -> None:
    refused = api.put(path, content=json.dumps(body), headers={"content-type": "application/json"})
    assert 400 <= refused.status_code < 500, refused.text
    assert refused.headers["content-type"] == MEDIA_TYPE
    assert refused.json().get("field", "").removeprefix("body") == field
    assert refused.json()["remedy"]


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe", b"[" * 100_000, b"null", b"NaN", b'{"weights": NaN}'])
def test_broken_json_is_refused(api: TestClient, content: bytes) -> None:
    refused = api.put(INTENT, content=content, headers={"content-type": "application/json"})
    assert 400 <= refused.status_code < 500, refused.text
    assert refused.json()["remedy"]


@pytest.mark.parametrize("told", [True, False], ids=["with its length", "in chunks"])
def test_huge_bodies_are_refused(api: TestClient, told: bool) -> None:
    def chunks() -> Iterator[bytes]:
        for _ in range(LONGEST_BODY // (1 << 20) + 1):
            yield b" " * (1 << 20)

    refused = api.put(INTENT, content=b"".join(chunks()) if told else chunks())
    assert (refused.status_code, refused.json()["field"]) == (413, "body")
    assert refused.json()["remedy"]


@pytest.mark.parametrize("generation", ["", "-1", "x", str(2**60)])
def test_a_deletion_names_a_generation(api: TestClient, generation: str) -> None:
    refused = api.delete(INTENT, params={"generation": generation})
    assert (refused.status_code, refused.json()["field"]) == (422, "generation")


def test_nonsense_in_the_host_header_is_no_error_of_ours(api: TestClient) -> None:
    assert api.get("/v1/nothing", headers={"host": "["}).status_code == 404
    assert api.patch(INTENT).status_code == 405


names = st.one_of(st.text(min_size=1, max_size=70), st.sampled_from(["-", "bookshop", "reviews", "alice", "..", "%2f"]))
values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(st.characters(codec=None), max_size=20)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=8), inner, max_size=3)),
    max_leaves=8,
)
bodies = st.one_of(
    values,
    st.builds(
        lambda more: intent(**more), st.dictionaries(st.sampled_from(["generation", "stable", "weights"]), values)
    ),
    st.builds(lambda more: endpoint(**more), st.dictionaries(st.sampled_from(sorted(ENDPOINT)), values)),
)
kinds = st.sampled_from(["intents/{}/{}/{}", "environments/{}/{}", "namespaces/{}", "nodes/{}/endpoints", "{}/{}"])


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from(["PUT", "DELETE", "GET"]), kinds, st.lists(names, min_size=3, max_size=3), bodies)
def test_nothing_that_is_sent_is_an_error_of_ours(
    api: TestClient, method: str, kind: str, parts: list[str], body: Any
) -> None:
    path = "/v1/" + kind.format(*(quote(part.encode("utf-8", "surrogatepass"), safe="") for part in parts))
    answer = api.request(method, path, content=json.dumps(body), headers={"content-type": "application/json"})
    assert answer.status_code < 500, answer.text
    for reading in ("services", "routes", "status", "proxies"):
        assert api.get(f"/v1/{reading}").status_code == 200, "what was taken can be read"
