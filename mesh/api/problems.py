"""Errors as `application/problem+json` (RFC 9457): title, detail, field, remedy."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from mesh.errors import MeshError, Rejected, Transient

MEDIA_TYPE = "application/problem+json"


def handle_problems(app: FastAPI) -> None:
    """Install the handlers."""
    app.add_exception_handler(MeshError, _mesh_error)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)


def problem(status: int, title: str, detail: str, headers: dict[str, str] | None = None, **more: Any) -> JSONResponse:
    """Return a problem response; empty extras are left out."""
    body = {"type": "about:blank", "title": title, "status": status, "detail": detail}
    body |= {name: value for name, value in more.items() if value not in ("", None)}
    return JSONResponse(body, status, headers, MEDIA_TYPE)


async def _mesh_error(request: Request, error: Any) -> JSONResponse:
    title = type(error).__name__
    if isinstance(error, Rejected):
        return problem(error.status, title, error.message, field=error.field, remedy=error.remedy)
    headers = {"retry-after": str(max(1, round(error.retry_after)))} if isinstance(error, Transient) else None
    return problem(error.status, title, error.message, headers)


async def _invalid(request: Request, error: Any) -> JSONResponse:
    first = error.errors()[0]
    field = ".".join(str(part) for part in first["loc"])
    return problem(422, "Rejected", f"{field}: {first['msg']}", field=field, remedy="correct the field; see /docs")


async def _http(request: Request, error: Any) -> JSONResponse:
    return problem(error.status_code, str(error.detail), f"{request.method} {request.url.path}: {error.detail}")
