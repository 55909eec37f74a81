"""Guard: no web page may reach the mesh's HTTP API through the browser of the person at this machine.

- DNS rebinding: a page's own name may lead to loopback. What arrives on loopback must name loopback.
- CSRF: browsers say where a change comes from (`Origin`); programs, which this API is for, say nothing.

Other users and programs of this machine are not held off: loopback is the boundary (docs/security.md).
Neighbours: app, problems.
"""

from __future__ import annotations

import ipaddress

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from mesh.api.problems import problem

SAFE_METHODS = frozenset({"GET", "HEAD"})


class Guard:
    """ASGI middleware: answers 403, or passes on."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Look at the head of the request."""
        if scope["type"] == "http" and (why := refusal(scope)):
            remedy = "ask from a program, at http://127.0.0.1 or http://localhost"
            await problem(403, "Rejected", why, field="Host", remedy=remedy)(scope, receive, send)
            return
        await self._app(scope, receive, send)


def refusal(scope: Scope) -> str:
    """Return why the request is not answered, "" when it is."""
    headers = Headers(scope=scope)
    listens = (scope.get("server") or ("", None))[0]
    host = _name(headers.get("host", ""))
    if _is_loopback(listens) and not (host == "localhost" or _is_loopback(host)):
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
