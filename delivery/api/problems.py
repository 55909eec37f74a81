"""Problems: every error leaves as `application/problem+json` (RFC 9457) that says what to change. Neighbours: app."""

from __future__ import annotations

import traceback
from http import HTTPStatus
from typing import Any, cast

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

from delivery.errors import Broken, Rejected, Transient

log = structlog.get_logger(__name__)

MEDIA_TYPE = "application/problem+json"
SECRETS = frozenset({"token", "webhook_secret"})  # fields whose values go in and never come out


class Problem(BaseModel):
    """The body of every error answer."""

    type: str = "about:blank"
    title: str = Field(description="The status in words")
    status: int
    detail: str = Field(description="What is wrong, in one sentence")
    field: str = Field("", description="The field or parameter at fault")
    value: Any = Field(None, description="What was given for it")
    remedy: str = Field("", description="What to change")


def problem(status: int, detail: str, *, field: str = "", value: Any = None, remedy: str = "") -> JSONResponse:
    """Return the answer; `value` is left out of it when it is empty."""
    body = Problem(
        title=HTTPStatus(status).phrase, status=status, detail=detail, field=field, value=_short(value), remedy=remedy
    )
    content = body.model_dump(exclude_none=True)
    return JSONResponse(content, status_code=status, media_type=MEDIA_TYPE)


def _short(value: Any) -> Any:
    """Return the value as it may be shown: plain and no longer than a line."""
    if value is None or isinstance(value, bool | int):
        return value
    text = str(value).encode("utf-8", "replace").decode()
    return text if len(text) <= 200 else text[:200] + "..."


def install(app: FastAPI) -> None:
    """Make `app` answer all its errors as problems."""
    app.add_exception_handler(Rejected, _rejected)
    app.add_exception_handler(Transient, _transient)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(Exception, _bug)


async def _rejected(_: Request, error: Exception) -> JSONResponse:
    error = cast(Rejected, error)
    return problem(error.status, error.message, field=error.field, value=error.value, remedy=error.remedy)


async def _transient(_: Request, error: Exception) -> JSONResponse:
    error = cast(Transient, error)
    answer = problem(error.status, error.message, remedy=f"try again in {error.retry_after:g} s")
    answer.headers["retry-after"] = str(max(1, round(error.retry_after)))
    return answer


async def _invalid(_: Request, error: Exception) -> JSONResponse:
    """Name the first field that does not fit; the framework's own list is kept out of the way of people."""
    first = cast(RequestValidationError, error).errors()[0]
    field = ".".join(str(part) for part in first["loc"][1:]) or str(first["loc"][0])
    hidden = isinstance(first.get("input"), dict | list) or first["loc"][-1] in SECRETS
    value = None if hidden else first.get("input")
    remedy = "see /docs for the fields and their types"
    return problem(422, f"{field}: {first['msg']}", field=field, value=value, remedy=remedy)


async def _http(request: Request, error: Exception) -> JSONResponse:
    error = cast(HTTPException, error)
    remedies = {404: "see /docs for what there is", 405: "see /docs for the methods of this address"}
    detail = f"{request.method} {request.url.path}: {error.detail}"
    answer = problem(error.status_code, detail, remedy=remedies.get(error.status_code, ""))
    answer.headers.update(error.headers or {})
    return answer


async def _bug(request: Request, error: Exception) -> JSONResponse:
    """A bug: the details go to the log, never to the caller."""
    # The stack as text: renderers that print local variables would print secrets, too.
    stack = "".join(traceback.format_exception(error))
    log.error("request.failed", method=request.method, path=request.url.path, error=repr(error), stack=stack)
    kind = "an invariant does not hold" if isinstance(error, Broken) else "an unexpected error"
    return problem(500, f"{kind}; this is a bug of Colorlane", remedy="see the log of the api process")
