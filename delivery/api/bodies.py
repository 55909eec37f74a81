"""Bodies: reads request bodies no further than a cap: no caller decides how much memory is used. Neighbours: app."""

from __future__ import annotations

from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from delivery.api.problems import problem
from delivery.errors import Rejected

DRAIN = 100_000_000


class TooLarge(Rejected):
    """The body is over the cap (413)."""

    status = 413


def too_large(cap: int) -> TooLarge:
    """Return the error that names the cap, `cap` in bytes."""
    return TooLarge(f"the body is larger than {cap // 1_000_000} MB", field="body", remedy="send less at once")


async def read_capped(request: Request, cap: int) -> bytes:
    """Return the body of at most `cap` bytes; raises TooLarge for more, of which nothing is kept.

    What is too much is read on (and dropped, up to DRAIN bytes), because a client that is cut off in mid-sentence
    sees a broken connection and never our answer.
    """
    declared = request.headers.get("content-length", "")
    if declared.isdigit() and int(declared) > DRAIN:
        raise too_large(cap)
    chunks: list[bytes] = []
    size = 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > DRAIN:
            break
        if size <= cap:
            chunks.append(chunk)
        else:
            chunks.clear()
    if size > cap:
        raise too_large(cap)
    return b"".join(chunks)


class BodyCap:
    """Wraps an application whose routes read whole bodies: over `cap` bytes the caller gets 413.

    `exempt` paths (prefixes) have caps of their own, or stream.
    """

    def __init__(self, app: ASGIApp, cap: int, exempt: tuple[str, ...] = ()) -> None:
        self.app, self.cap, self.exempt = app, cap, exempt

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Read what little there may be before the application starts, or refuse."""
        if scope["type"] != "http" or scope["method"] in ("GET", "HEAD") or scope["path"].startswith(self.exempt):
            await self.app(scope, receive, send)
            return
        try:
            body = await read_capped(Request(scope, receive), self.cap)
        except TooLarge as error:
            await problem(413, error.message, field="body", remedy=error.remedy)(scope, receive, send)
            return
        given = False

        async def replay() -> Message:
            nonlocal given
            if given:
                return await receive()
            given = True
            return {"type": "http.request", "body": body, "more_body": False}

        await self.app(scope, replay, send)
