"""Guard: the outermost layer of the API: applies `security` to each request and adds the security headers."""

from __future__ import annotations

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from delivery.api.problems import problem
from delivery.api.security import Forbidden, Unauthorized, check_head
from delivery.errors import Rejected

# No inline script or style anywhere: what an attacker manages to put into a log line stays text.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
HEADERS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}


class Guard:
    """ASGI layer; it never touches bodies, so streams pass untouched."""

    def __init__(self, app: ASGIApp, token: str = "", shell_token: str = "") -> None:
        self.app, self.token, self.shell_token = app, token, shell_token

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let the request through, or answer 401 or 403."""
        if scope["type"] == "websocket":
            await self._shell(scope, receive, send)
            return
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        client = scope["client"][0] if scope.get("client") else ""
        try:
            check_head(scope["method"], scope["path"], Headers(scope=scope), client, self.token)
        except Rejected as error:
            answer = problem(error.status, error.message, field=error.field, value=error.value, remedy=error.remedy)
            if isinstance(error, Unauthorized):
                answer.headers["www-authenticate"] = 'Basic realm="Colorlane"' if _is_git(scope) else "Bearer"
            await answer(scope, receive, guarded)
            return
        await self.app(scope, receive, guarded)

    async def _shell(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a shell be opened with the token that is for nothing else; every other WebSocket is refused.

        Opening one is a change, and the API's own token or session is not enough for it.
        """
        client = scope["client"][0] if scope.get("client") else ""
        try:
            if not self.shell_token:
                raise Forbidden("shells are off", field="COLORLANE_SHELL_TOKEN", remedy="the API's operator may set it")
            check_head("POST", scope["path"], Headers(scope=scope), client, self.shell_token)
        except Rejected as error:
            if "websocket.http.response" not in scope.get("extensions", {}):
                await send({"type": "websocket.close", "code": 1008})
                return

            async def refusing(message: Message) -> None:
                await send({**message, "type": f"websocket.{message['type']}"})

            refusal = problem(error.status, error.message, field=error.field, remedy=error.remedy)
            await refusal({**scope, "type": "http"}, receive, refusing)
            return
        await self.app(scope, receive, send)


def _is_git(scope: Scope) -> bool:
    return str(scope["path"]).startswith("/git/")
