"""Opening: what the HTTP port answers before the mesh has anything to say. Neighbours: bootstrap, app (takes over).

The process is alive from its first moment (/healthz), and says what it waits for (/readyz); everything else is refused
until all sources are loaded, because an answer from half of the world ("no such endpoint") would be believed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from fastapi.responses import JSONResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from mesh.api.problems import problem


class Opening:
    """An ASGI application that answers itself until `app` is set. `waiting_for` says why it is not."""

    def __init__(self, waiting_for: Callable[[], Sequence[str]]) -> None:
        self.app: ASGIApp | None = None
        self._waiting_for = waiting_for

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or hand over."""
        if self.app is not None:
            await self.app(scope, receive, send)
        elif scope["type"] == "http":
            await self._answer(scope["path"])(scope, receive, send)

    def _answer(self, path: str) -> Response:
        if path == "/healthz":
            return JSONResponse({"status": "ok"})
        detail = "the mesh is starting: " + ("; ".join(self._waiting_for()) or "almost ready")
        return problem(503, "Transient", detail, {"retry-after": "1"})
