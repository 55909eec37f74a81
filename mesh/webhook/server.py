"""The server that the API server asks: HTTPS, one path, small bodies, one log line a pod. Neighbour: reviews.

Everyone who reaches the port may ask: an answer tells nothing that a mesh's own manifest would not. The network policy
of the installation lets the API server in, and nobody else needs it.
"""

from __future__ import annotations

import asyncio
import json
import socket
import ssl
import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import structlog
import uvicorn

from mesh.errors import Rejected
from mesh.injection import Options
from mesh.webhook.reviews import Outcome, review

LONGEST_BODY = 4 * 1024 * 1024
"""Bytes. An object in etcd has at most 1.5 MiB; an update would carry the old one as well."""
INJECT_PATH, HEALTH_PATH = "/inject", "/healthz"

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Scope]]
Send = Callable[[Scope], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

log = structlog.get_logger("mesh.webhook")


class TooLarge(Rejected):
    """The body is longer than any pod can be."""

    status = 413


def admission_app(options: Callable[[], Options], *, told: Callable[[Outcome], None] = lambda _: None) -> App:
    """Return the ASGI application. `options` gives them as they are now (roots change); `told` hears each outcome."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        try:
            status, answer = await _route(scope, receive, options, told)
        except Rejected as error:
            log.warning("bad request", path=scope["path"], reason=error.message)
            status, answer = error.status, {"title": error.message, "detail": error.remedy}
        await _send(send, status, json.dumps(answer, separators=(",", ":")).encode())

    return app


async def _route(
    scope: Scope, receive: Receive, options: Callable[[], Options], told: Callable[[Outcome], None]
) -> tuple[int, dict[str, Any]]:
    if scope["path"] == HEALTH_PATH:
        return 200, {"status": "ok"}
    if scope["path"] != INJECT_PATH or scope["method"] != "POST":
        return 404, {"title": f"there is only POST {INJECT_PATH} and GET {HEALTH_PATH}"}
    body = _read(await _body(receive))
    started = time.perf_counter()
    answer, outcome = review(body, options())
    spent = round((time.perf_counter() - started) * 1000, 2)
    dry_run = bool(body["request"].get("dryRun"))
    log.info("pod reviewed", **vars(outcome), milliseconds=spent, **({"dry_run": True} if dry_run else {}))
    told(outcome)
    return 200, answer


async def _body(receive: Receive) -> bytes:
    parts, size, more = list[bytes](), 0, True
    while more:
        event = await receive()
        if event["type"] == "http.disconnect":
            raise Rejected("the client has gone", remedy="")
        part = event.get("body", b"")
        size += len(part)
        if size > LONGEST_BODY:
            raise TooLarge(f"the body has more than {LONGEST_BODY} bytes", field="body", remedy="send one pod")
        parts.append(part)
        more = event.get("more_body", False)
    return b"".join(parts)


def _read(text: bytes) -> dict[str, Any]:
    try:
        body = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise Rejected(f"the body is not JSON: {error}", field="body", remedy="send an AdmissionReview") from error
    if not isinstance(body, dict):
        raise Rejected("the body is not an object", field="body", remedy="send an AdmissionReview")
    return body


async def _send(send: Send, status: int, body: bytes) -> None:
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def serve(app: App, listener: socket.socket, context: ssl.SSLContext) -> None:
    """Serve HTTPS until cancelled; what is being answered then is finished first (at most a second)."""
    config = uvicorn.Config(
        app, log_config=None, access_log=False, lifespan="off", interface="asgi3", timeout_graceful_shutdown=1
    )
    config.load()
    config.ssl = context  # uvicorn itself reads certificates once, from files
    server = uvicorn.Server(config)
    serving = asyncio.ensure_future(server._serve([listener]))  # past its handlers of signals, which are the mesh's
    try:
        await asyncio.shield(serving)
    finally:
        server.should_exit = True
        await serving
