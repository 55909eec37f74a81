"""TokenReviews: asked once, kept, asked anew; an API server that is away; tokens that are not ours."""

from __future__ import annotations

import asyncio
import base64
import json
from typing import Any

import pytest

from mesh.errors import Forbidden, Transient, Unauthenticated
from mesh.policy.callers import Caller
from mesh.policy.tokens_kubernetes import FRESH_SECONDS, REFUSED_SECONDS, KubernetesTokens

POD = Caller("bookshop", "default", "reviews-x1")
HOUR = 3600.0


def token(expires: float) -> str:
    claims = base64.urlsafe_b64encode(json.dumps({"exp": expires}).encode()).decode().rstrip("=")
    return f"head.{claims}.signature"


class Server:
    """Reviews tokens as told; `error` is raised instead."""

    def __init__(self) -> None:
        self.status: dict[str, Any] = {
            "authenticated": True,
            "audiences": ["colorlane-mesh"],
            "user": {
                "username": "system:serviceaccount:bookshop:default",
                "extra": {"authentication.kubernetes.io/pod-name": ["reviews-x1"]},
            },
        }
        self.error: Exception | None = None
        self.bodies: list[dict[str, Any]] = []

    async def send(self, method: str, path: str, body: dict[str, Any]) -> dict[str, Any]:
        self.bodies.append(body)
        await asyncio.sleep(0)
        if self.error is not None:
            raise self.error
        return {"status": self.status}


class Clock:
    now = 1000.0


@pytest.fixture
def server() -> Server:
    return Server()


@pytest.fixture
def tokens(server: Server) -> KubernetesTokens:
    return KubernetesTokens(server, lambda: Clock.now)


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> type[Clock]:
    monkeypatch.setattr(Clock, "now", 1000.0)
    return Clock


async def test_a_token_is_asked_for_once_by_all_that_come_at_once(server: Server, tokens: KubernetesTokens) -> None:
    mine = token(1000 + HOUR)
    assert await asyncio.gather(*(tokens.identify(mine) for _ in range(50))) == [POD] * 50
    assert await tokens.identify(mine) == POD
    assert [body["spec"] for body in server.bodies] == [{"token": mine, "audiences": ["colorlane-mesh"]}]


async def test_it_is_asked_for_anew_and_a_deleted_pods_token_ends(server: Server, tokens: KubernetesTokens) -> None:
    mine = token(1000 + HOUR)
    await tokens.identify(mine)
    Clock.now += FRESH_SECONDS
    server.status = {"authenticated": False, "error": "pod is gone"}
    with pytest.raises(Unauthenticated, match="pod is gone"):
        await tokens.identify(mine)


async def test_while_the_api_server_is_away_known_tokens_are_good_until_they_expire(
    server: Server, tokens: KubernetesTokens
) -> None:
    mine = token(1000 + HOUR)
    await tokens.identify(mine)
    server.error = Transient("away")
    Clock.now += FRESH_SECONDS
    assert await tokens.identify(mine) == POD
    with pytest.raises(Transient, match="cannot be reviewed"):
        await tokens.identify(token(2000 + HOUR))
    Clock.now = 1000 + HOUR
    with pytest.raises(Transient):
        await tokens.identify(mine)


async def test_a_mesh_that_may_not_ask_says_so_instead_of_refusing_proxies(
    server: Server, tokens: KubernetesTokens
) -> None:
    server.error = Forbidden("tokenreviews is forbidden")
    with pytest.raises(Transient, match="tokenreviews is forbidden"):
        await tokens.identify(token(1000 + HOUR))


@pytest.mark.parametrize(
    ("status", "says"),
    [
        ({"authenticated": False}, "does not know it"),
        ({"authenticated": True, "audiences": ["https://kubernetes"]}, "not for colorlane-mesh"),
        ({"authenticated": True}, "not for colorlane-mesh"),
        (
            {"authenticated": True, "audiences": ["colorlane-mesh"], "user": {"username": "system:admin"}},
            "no ServiceAccount",
        ),
    ],
)
async def test_what_is_refused_is_remembered_for_a_moment(
    server: Server, tokens: KubernetesTokens, status: dict[str, Any], says: str
) -> None:
    server.status = status
    for _ in range(3):
        with pytest.raises(Unauthenticated, match=says):
            await tokens.identify("x")
    assert len(server.bodies) == 1
    Clock.now += REFUSED_SECONDS
    with pytest.raises(Unauthenticated):
        await tokens.identify("x")
    assert len(server.bodies) == 2


async def test_a_token_as_long_as_a_book_is_not_passed_on(server: Server, tokens: KubernetesTokens) -> None:
    with pytest.raises(Unauthenticated, match="too long"):
        await tokens.identify("x" * 20_000)
    assert server.bodies == []
