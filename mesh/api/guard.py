"""Guard: no web page may reach the mesh's HTTP API through the browser of the person at this machine.

- DNS rebinding: a page's own name may lead to loopback. What arrives on loopback must name loopback.
- CSRF: browsers say where a change comes from (`Origin`); programs, which this API is for, say nothing.

Other users and programs of this machine are not held off: loopback is the boundary (docs/security.md). What listens
elsewhere asks for a token, which no page has, whatever name it uses. Neighbours: app, problems.
"""

from __future__ import annotations

import hmac
import ipaddress
from collections.abc import Callable

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mesh.api.problems import problem
from mesh.errors import Rejected

SAFE_METHODS = frozenset({"GET", "HEAD"})
OPEN_PATHS = frozenset({"/healthz", "/readyz", "/metrics"})
"""Asked by kubelet and Prometheus; they tell numbers, no names."""


class Guard:
    """ASGI middleware: answers 401 or 403, or passes on.

    `token`: what callers must show, "" where loopback is the boundary. `is_leaving`: whether this process is going:
    answers then end their connection, so that the next question goes to another replica.
    """

    def __init__(self, app: ASGIApp, token: str = "", is_leaving: Callable[[], bool] = bool) -> None:
        self._app, self._token, self._is_leaving = app, token, is_leaving

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Look at the head of the request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        if self._is_leaving():
            send = _closing(send)
        if self._token and scope["path"] not in OPEN_PATHS and not _shows(scope, self._token):
            remedy, ask = "send `Authorization: Bearer <COLORLANE_MESH_TOKEN>`", {"www-authenticate": "Bearer"}
            detail = "a token is needed, or another than this"
            await problem(401, "Unauthenticated", detail, ask, field="Authorization", remedy=remedy)(
                scope, receive, send
            )
        elif why := refusal(scope, by_token=bool(self._token)):
            remedy = "ask from a program, at http://127.0.0.1 or http://localhost"
            await problem(403, "Rejected", why, field="Host", remedy=remedy)(scope, receive, send)
        else:
            await self._app(scope, receive, send)


def check_bind(host: str, token: str) -> None:
    """Raise Rejected where the API would be open to other machines without a token."""
    if token or host == "localhost" or _is_loopback(host):
        return
    raise Rejected(
        f"COLORLANE_MESH_HOST={host} opens the mesh's HTTP API to other machines, and no token is set",
        field="COLORLANE_MESH_HOST",
        value=host,
        remedy="set COLORLANE_MESH_TOKEN to a long random string, here and for API and workers, or listen on 127.0.0.1",
    )


def _shows(scope: Scope, token: str) -> bool:
    scheme, _, given = Headers(scope=scope).get("authorization", "").partition(" ")
    return scheme.lower() == "bearer" and hmac.compare_digest(given.strip().encode(), token.encode())


def _closing(send: Send) -> Send:
    async def closing(message: Message) -> None:
        if message["type"] == "http.response.start":
            MutableHeaders(scope=message)["connection"] = "close"
        await send(message)

    return closing


def refusal(scope: Scope, *, by_token: bool = False) -> str:
    """Return why the request is not answered, "" when it is. `by_token`: it has shown one, which no page has."""
    headers = Headers(scope=scope)
    listens = (scope.get("server") or ("", None))[0]
    host = _name(headers.get("host", ""))
    if not by_token and _is_loopback(listens) and not (host == "localhost" or _is_loopback(host)):
        return f"the host name {host[:100]!r} is not one of this machine"
    if scope["method"] not in SAFE_METHODS and "origin" in headers:
        return "a web page asked for a change"
    return ""


def _name(host: str) -> str:
    """Return a Host header without port and brackets, in lower case."""
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0].lower()


def _is_loopback(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False
