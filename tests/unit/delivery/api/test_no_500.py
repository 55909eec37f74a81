"""Whatever is asked, the answer is never "a bug": requests made from the OpenAPI description, and some from nowhere."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import pytest
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.unit.delivery.api.conftest import House

CALM = settings(
    max_examples=150,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.text(max_size=30),
    st.sampled_from(
        ["bookshop", "bookshop.1", "r1", "alice", "production", "reviews", "main", "embedded", "gitlab", "7d"]
    ),
)
WORDS = st.one_of(
    st.text(min_size=1, max_size=20),
    st.sampled_from(["bookshop", "bookshop.1", "r1", "alice", "production", "a" * 40, "..", "%2e%2e", "a/b", "\x00"]),
)


@dataclass
class Described:
    """The API with a little of everything in it, and what its description says."""

    client: TestClient

    def __post_init__(self) -> None:
        said = self.client.get("/openapi.json").json()
        self.operations = list(operations(said))
        self.fields = {
            name: sorted(shape.get("properties", {})) for name, shape in said["components"]["schemas"].items()
        }


def operations(said: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Yield (verb, path, operation) of everything described, but endless streams and the mesh, which is away."""
    for path, verbs in said["paths"].items():
        for verb, operation in verbs.items():
            if not path.endswith("/events") and "/mesh/" not in path:
                yield verb, path, operation


@pytest.fixture
def full(house: House) -> Described:
    house.gitlab()
    house.environment()
    house.environment("production")
    house.job(house.run(), "reviews", "hello\n")
    house.rollout()
    return Described(house.client())


@CALM
@given(data=st.data())
def test_described_requests_never_end_in_a_bug(full: Described, data: st.DataObject) -> None:
    verb, path, operation = data.draw(st.sampled_from(full.operations))
    query = {}
    for parameter in operation.get("parameters", []):
        value = data.draw(WORDS if parameter["in"] == "path" else VALUES, label=parameter["name"])
        if parameter["in"] == "path":
            path = path.replace("{" + parameter["name"] + "}", quote(str(value).encode("utf-8", "replace"), safe=""))
        elif parameter["in"] == "query" and value is not None:
            query[parameter["name"]] = value
    query.pop("follow", None)  # would wait for the run to end
    body = _body(full, operation, data)
    try:
        answer = full.client.request(verb, path, params=query, json=body)
    except UnicodeEncodeError:
        return  # lone surrogates cannot be sent
    assert answer.status_code < 500, answer.text
    if answer.status_code >= 400:
        assert answer.headers["content-type"] == "application/problem+json"


def _body(full: Described, operation: dict[str, Any], data: st.DataObject) -> Any:
    """Draw a body with the right names and any values, or something else altogether."""
    content = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
    reference = content.get("schema", {}).get("$ref", "")
    fields = full.fields.get(reference.rpartition("/")[2], [])
    if not fields:
        return None
    return data.draw(st.one_of(st.dictionaries(st.sampled_from(fields), VALUES), VALUES, st.lists(VALUES, max_size=2)))


@CALM
@given(
    body=st.binary(max_size=200),
    headers=st.dictionaries(
        st.sampled_from(["webhook-id", "webhook-timestamp", "webhook-signature", "x-gitlab-event", "idempotency-key"]),
        st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=60),
    ),
    proven=st.booleans(),
)
def test_webhooks_never_end_in_a_bug(full: Described, body: bytes, headers: dict[str, str], proven: bool) -> None:
    given_headers = headers | ({"x-gitlab-token": "s3cret"} if proven else {})
    answer = full.client.post("/webhooks/gitlab", content=body, headers=given_headers)
    assert answer.status_code in (400, 401, 404), answer.text


@CALM
@given(
    st.sampled_from(["GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS"]),
    st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=40),
    st.binary(max_size=50),
)
def test_requests_from_nowhere_never_end_in_a_bug(full: Described, method: str, path: str, body: bytes) -> None:
    answer = full.client.request(method, "/" + path.lstrip("/").replace("#", ""), content=body)
    assert answer.status_code < 500, answer.text
