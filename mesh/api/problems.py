"""Errors as `application/problem+json` (RFC 9457): title, detail, field, remedy."""

from __future__ import annotations

import json
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mesh.errors import MeshError, Rejected, Transient

MEDIA_TYPE = "application/problem+json"
LONGEST_BODY = 16 << 20
"""Bytes. Thirty thousand endpoints of one node fit."""
REMEDIES = {400: "send a JSON object in UTF-8", 413: "send less in one request"}


def handle_problems(app: FastAPI) -> None:
    """Install the handlers."""
    app.add_exception_handler(MeshError, _mesh_error)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)
    app.add_middleware(LimitedBody)


class LimitedBody:
    """ASGI middleware: a body above the limit is refused before it is in memory, whether it tells its length or not."""

    def __init__(self, app: ASGIApp, limit: int = LONGEST_BODY) -> None:
        self._app, self._limit = app, limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on, counting."""
        taken = 0

        async def counted() -> Message:
            nonlocal taken
            message = await receive()
            taken += len(message.get("body", b""))
            if taken > self._limit:
                raise HTTPException(413, f"the body is longer than {self._limit} bytes")
            return message

        await self._app(scope, counted, send)


def problem(status: int, title: str, detail: str, headers: dict[str, str] | None = None, **more: Any) -> Response:
    """Return a problem response; empty extras are left out. ASCII: what it repeats may be no valid Unicode."""
    body = {"type": "about:blank", "title": title, "status": status, "detail": detail}
    body |= {name: value for name, value in more.items() if value not in ("", None)}
    return Response(json.dumps(body), status, headers, MEDIA_TYPE)


async def _mesh_error(request: Request, error: Any) -> Response:
    title = type(error).__name__
    if isinstance(error, Rejected):
        return problem(error.status, title, error.message, field=error.field, remedy=error.remedy)
    headers = {"retry-after": str(max(1, round(error.retry_after)))} if isinstance(error, Transient) else None
    return problem(error.status, title, error.message, headers)


async def _invalid(request: Request, error: Any) -> Response:
    first = error.errors()[0]
    where = [str(part) for part in first["loc"]]
    field = ".".join(where[1:] or where)  # without "body", "path" or "query"
    remedy = first.get("ctx", {}).get("remedy") or "correct the field; see /docs"
    return problem(422, "Rejected", f"{field}: {first['msg']}", field=field, remedy=remedy)


async def _http(request: Request, error: Any) -> Response:
    # Not `request.url`, which cannot be read where the Host header is nonsense.
    detail = f"{request.method} {request.scope['path']}: {error.detail}"
    return problem(
        error.status_code,
        "Rejected",
        detail,
        field="body" if error.status_code == 413 else "path",
        remedy=REMEDIES.get(error.status_code, "see /docs for what can be asked"),
    )
