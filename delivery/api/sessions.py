"""Sessions: the page's way to use the token: given once, kept as a cookie that scripts cannot read.

Neighbours: security.
"""

from __future__ import annotations

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, Field

from delivery.api.context import Ctx
from delivery.api.security import SESSION_COOKIE, Unauthorized, same, session_of, session_value

router = APIRouter(prefix="/session", tags=["session"])


class Credentials(BaseModel):
    """What the person typed in."""

    token: str = Field(max_length=1000)


class SessionShape(BaseModel):
    """Whether a token is needed, and whether this browser has given it."""

    needed: bool
    open: bool


@router.get("")
def session(request: Request, ctx: Ctx) -> SessionShape:
    """Tell whether this browser may use the API."""
    token = ctx.options.token
    return SessionShape(needed=bool(token), open=not token or same(session_of(request.headers), session_value(token)))


@router.post("")
def sign_in(credentials: Credentials, request: Request, response: Response, ctx: Ctx) -> SessionShape:
    """Exchange the token for the session cookie."""
    token = ctx.options.token
    if token and not same(credentials.token, token):
        raise Unauthorized("the token is wrong", field="token", remedy="the value of COLORLANE_API_TOKEN is wanted")
    if token:
        response.set_cookie(
            SESSION_COOKIE,
            session_value(token),
            max_age=7 * 86_400,
            httponly=True,
            samesite="strict",
            secure=request.url.scheme == "https",
        )
    return SessionShape(needed=bool(token), open=True)


@router.delete("", status_code=204)
def sign_out(response: Response) -> None:
    """Forget the session."""
    response.delete_cookie(SESSION_COOKIE)
