"""Who may knock: hosts, origins, tokens, and what every answer carries."""

from __future__ import annotations

import base64

import pytest
from starlette.testclient import WebSocketDenialResponse

from delivery.api.security import Forbidden, Unauthorized, check_bind, check_head, given_token, host_name, is_loopback
from delivery.errors import Rejected
from tests.unit.delivery.api.conftest import House

LOCAL = {"host": "localhost:8000"}


def basic(text: str) -> str:
    return "Basic " + base64.b64encode(text.encode()).decode()


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.1.5", "::", "colorlane.example", ""])
def test_an_open_bind_without_a_token_is_refused_with_the_remedy(host: str) -> None:
    with pytest.raises(Rejected) as refused:
        check_bind(host, "")
    assert "COLORLANE_API_TOKEN" in refused.value.remedy
    check_bind(host, "sesame")


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1", "[::1]", "127.8.9.1", "LocalHost"])
def test_loopback_needs_none(host: str) -> None:
    assert is_loopback(host)
    check_bind(host, "")


@pytest.mark.parametrize(
    "host", ["evil.example", "localhost.evil.example", "127.0.0.1.evil.example", "", "10.0.0.1:8000"]
)
def test_other_host_names_are_refused_without_a_token(host: str) -> None:
    """DNS rebinding: a page of evil.example whose name points at 127.0.0.1 must not be served."""
    with pytest.raises(Forbidden):
        check_head("GET", "/api/v1/projects", {"host": host}, "127.0.0.1", "")


def test_other_machines_are_refused_without_a_token() -> None:
    with pytest.raises(Forbidden):
        check_head("GET", "/", LOCAL, "192.168.1.5", "")
    check_head("GET", "/", LOCAL, "127.0.0.1", "")


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"origin": "http://localhost:9999"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
    ],
)
@pytest.mark.parametrize("token", ["", "sesame"])
def test_pages_of_other_origins_change_nothing(headers: dict[str, str], token: str) -> None:
    given = {**LOCAL, **headers, "authorization": "Bearer sesame"}
    with pytest.raises(Forbidden):
        check_head("POST", "/api/v1/rollouts/r/approve", given, "127.0.0.1", token)
    check_head("GET", "/api/v1/rollouts/r", given, "127.0.0.1", token)


def test_our_own_page_and_programs_may() -> None:
    check_head("POST", "/api/v1/projects", {**LOCAL, "origin": "http://localhost:8000"}, "127.0.0.1", "")
    check_head("POST", "/api/v1/projects", {**LOCAL, "sec-fetch-site": "same-origin"}, "127.0.0.1", "")
    check_head("DELETE", "/api/v1/projects/x", LOCAL, "127.0.0.1", "")


@pytest.mark.parametrize("path", ["/api/v1/projects", "/git/shop.git/info/refs", "/metrics", "/openapi.json", "/docs"])
@pytest.mark.parametrize("given", ["", "Bearer wrong", "Bearer ", "Basic !!!", basic("me:wrong"), basic("sesame")])
def test_a_token_is_demanded(path: str, given: str) -> None:
    with pytest.raises(Unauthorized):
        check_head("GET", path, {"host": "colorlane.example", "authorization": given}, "10.1.1.1", "sesame")


@pytest.mark.parametrize("given", ["Bearer sesame", "bearer sesame", basic("me:sesame"), basic(":sesame")])
def test_the_right_token_opens(given: str) -> None:
    check_head("GET", "/api/v1/projects", {"host": "colorlane.example", "authorization": given}, "10.1.1.1", "sesame")


@pytest.mark.parametrize("path", ["/", "/healthz", "/readyz", "/static/app.js", "/api/v1/session", "/webhooks/gitlab"])
def test_what_shows_nothing_is_open(path: str) -> None:
    check_head("GET", path, {"host": "colorlane.example"}, "10.1.1.1", "sesame")


def test_password_with_colons() -> None:
    assert given_token({"authorization": basic("me:a:b")}) == "a:b"


def test_host_names() -> None:
    assert host_name("[::1]:8000") == "[::1]"
    assert host_name("localhost:8000") == "localhost"


def test_a_browser_signs_in_once(house: House) -> None:
    client = house.client(token="sesame")
    assert client.get("/api/v1/projects").status_code == 401
    assert client.get("/api/v1/session").json() == {"needed": True, "open": False}
    assert client.post("/api/v1/session", json={"token": "wrong"}).status_code == 401
    answer = client.post("/api/v1/session", json={"token": "sesame"})
    cookie = answer.headers["set-cookie"]
    assert "sesame" not in cookie
    assert "HttpOnly" in cookie
    assert "samesite=strict" in cookie.lower()
    assert client.get("/api/v1/projects").status_code == 200
    assert client.get("/git/shop.git/info/refs").status_code == 401, "a cookie is no password for Git"
    assert client.delete("/api/v1/session").status_code == 204
    assert client.get("/api/v1/projects").status_code == 401


def test_every_answer_carries_the_security_headers(house: House) -> None:
    client = house.client()
    for path in ("/", "/api/v1/projects", "/nowhere", "/static/app.js", "/git/x.git/info/refs"):
        headers = client.get(path).headers
        assert "'unsafe" not in headers["content-security-policy"]
        assert "default-src 'none'" in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"


def test_git_is_asked_for_a_password_and_others_for_a_bearer_token(house: House) -> None:
    client = house.client(token="sesame")
    assert client.get("/git/shop.git/info/refs").headers["www-authenticate"].startswith("Basic")
    assert client.get("/api/v1/projects").headers["www-authenticate"] == "Bearer"


def test_bodies_are_capped(house: House) -> None:
    answer = house.client(body_cap=1000).post("/api/v1/projects", json={"name": "x" * 2000})
    assert answer.status_code == 413
    assert answer.headers["content-type"] == "application/problem+json"


def test_a_secret_that_does_not_fit_is_not_repeated(house: House) -> None:
    house.gitlab()
    refused = house.client().post("/api/v1/projects/bookshop/secrets", json={"token": "glpat-" + "x" * 600})
    assert refused.status_code == 422
    assert refused.json()["field"] == "token"
    assert "glpat" not in refused.text


def test_a_websocket_is_no_way_around_the_token(house: House) -> None:
    shell = "/api/v1/environments/bookshop/alice/services/reviews/shell"
    for tokens in ({"token": "sesame"}, {"token": "sesame", "shell_token": "open"}, {}):
        client = house.client(**tokens)
        for path in ("/git/bookshop.git/info/refs", "/api/v1/events", shell):
            with pytest.raises(WebSocketDenialResponse) as refused, client.websocket_connect(path):
                pass
            assert refused.value.status_code in (401, 403)


def test_the_session_is_not_sent_in_the_clear_where_there_is_tls(house: House) -> None:
    client = house.client(token="sesame")
    answer = client.post("https://localhost/api/v1/session", json={"token": "sesame"})
    assert "secure" in answer.headers["set-cookie"].lower()
    answer = client.post("http://localhost/api/v1/session", json={"token": "sesame"})
    assert "secure" not in answer.headers["set-cookie"].lower()
