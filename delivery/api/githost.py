"""Git host: smart HTTP for the repositories of embedded projects, at `/git/<project>.git`.

Neighbours: gitprocess, sideband.

Only the three addresses of the smart protocol exist, and the repository's path is made from the name of a registered
project: no path of a caller's ever reaches the file system. Source: gitprotocol-http(5), git-http-backend(1).
"""

from __future__ import annotations

import os
import re
import shutil
import traceback
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qs

import structlog
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers
from starlette.types import Receive, Scope, Send

from delivery.api.gitprocess import GitProcess
from delivery.api.problems import problem
from delivery.api.sideband import Sideband
from delivery.errors import NotFound, Rejected

log = structlog.get_logger(__name__)

ADDRESS = re.compile(
    r"/git/(?P<project>[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?)\.git/(?P<end>info/refs|git-(?:upload|receive)-pack)"
)
SERVICES = frozenset({"git-upload-pack", "git-receive-pack"})
PROTOCOL = re.compile(r"[A-Za-z0-9=:.\-]{1,100}")
IDLE_SECONDS = 300.0  # Git itself may be silent for minutes while it indexes a big pack


@dataclass(frozen=True)
class GitRequest:
    """One request of the smart protocol."""

    project: str
    end: str  # info/refs, git-upload-pack or git-receive-pack
    service: str
    method: str

    @property
    def is_push(self) -> bool:
        """Tell whether refs may change by it."""
        return self.end == "git-receive-pack"


def parse(method: str, path: str, query: str) -> GitRequest:
    """Return what is asked; raises NotFound or Rejected for anything that is not the smart protocol."""
    match = ADDRESS.fullmatch(path)
    if not match:
        raise NotFound("no such repository", field="path", value=path, remedy="clone /git/<project>.git")
    end = match["end"]
    service = parse_qs(query).get("service", [""])[0] if end == "info/refs" else end
    if service not in SERVICES:
        raise Rejected(
            "only the smart protocol is served", field="service", value=service, remedy="use git 1.6.6 or newer"
        )
    if method != ("GET" if end == "info/refs" else "POST"):
        raise Rejected(f"{method} is not answered here", field="method", value=method, remedy="use git")
    return GitRequest(match["project"], end, service, method)


def cgi_environment(request: GitRequest, headers: Mapping[str, str], root: Path) -> dict[str, str]:
    """Return the environment of `git http-backend`: made from checked parts, nothing of ours leaks into it.

    The user's own Git configuration is shut out, so that a hook path or an alias there has no say here.
    """
    environment = {
        "PATH": os.pathsep.join([str(Path(shutil.which("git") or "git").parent), os.defpath]),
        "GIT_PROJECT_ROOT": str(root),
        "GIT_HTTP_EXPORT_ALL": "1",
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": "http.receivepack",
        "GIT_CONFIG_VALUE_0": "true",
        "PATH_INFO": f"/{request.project}.git/{request.end}",
        "QUERY_STRING": f"service={request.service}" if request.end == "info/refs" else "",
        "REQUEST_METHOD": request.method,
        "REMOTE_USER": "git",
        "CONTENT_TYPE": headers.get("content-type", ""),
    }
    length, coding = headers.get("content-length", ""), headers.get("content-encoding", "")
    if length.isdigit():
        environment["CONTENT_LENGTH"] = length
    if coding in ("gzip", "x-gzip"):
        environment["HTTP_CONTENT_ENCODING"] = coding
    if PROTOCOL.fullmatch(protocol := headers.get("git-protocol", "")):
        environment["GIT_PROTOCOL"] = protocol
    return environment


class GitHost:
    """ASGI application. `known` tells whether a name is an embedded project; `pushed` is called after each push
    and returns what the person who pushed shall read."""

    def __init__(
        self,
        root: Path,
        known: Callable[[str], bool],
        pushed: Callable[[str], Awaitable[Sequence[str]]],
        idle: float = IDLE_SECONDS,
    ) -> None:
        self._root, self._known, self._pushed, self._idle = root, known, pushed, idle

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        try:
            request = parse(scope["method"], scope["path"], scope["query_string"].decode("latin-1"))
            if not await run_in_threadpool(self._known, request.project):
                raise NotFound(
                    f"no embedded project {request.project!r}",
                    field="project",
                    value=request.project,
                    remedy=f"colorlane project add {request.project}",
                )
        except Rejected as error:
            answer = problem(error.status, error.message, field=error.field, value=error.value, remedy=error.remedy)
            await answer(scope, receive, send)
            return
        await self._serve(request, scope, receive, send)

    async def _serve(self, request: GitRequest, scope: Scope, receive: Receive, send: Send) -> None:
        environment = cgi_environment(request, Headers(scope=scope), self._root)
        started = told = False
        try:
            async with GitProcess(environment, receive, self._idle) as git:
                headers = await git.headers()
                if not headers:
                    raise TimeoutError("git ended without an answer")
                await send(_start(headers))
                started = True
                sideband = Sideband()
                async for chunk in git.body():
                    await send(_body(sideband.feed(chunk), more=True))
                lines, told = await self._tell(request), True
                await send(_body(sideband.close(lines), more=False))
        except TimeoutError as error:
            log.warning("git.no_answer", project=request.project, end=request.end, error=str(error))
            if not started:  # else the connection just ends short, which Git reports as such
                await problem(504, "git did not answer in time")(scope, receive, send)
        finally:
            if not told:  # the client went away, or Git failed: what was pushed until then still counts
                await self._tell(request)

    async def _tell(self, request: GitRequest) -> Sequence[str]:
        """After a push: start what follows from it. A failure here never fails the push, which is safe by now."""
        if not request.is_push:
            return ()
        try:
            return await self._pushed(request.project)
        except Exception as error:
            stack = "".join(traceback.format_exception(error))
            log.error("git.push_unnoticed", project=request.project, error=repr(error), stack=stack)
            return ("Colorlane: your push is stored; its run will start when the service is back to health.",)


def _start(headers: Mapping[str, str]) -> dict[str, object]:
    status = headers.get("status", "200")[:3]
    pairs = [(name.encode(), value.encode("latin-1")) for name, value in headers.items() if name != "status"]
    return {"type": "http.response.start", "status": int(status), "headers": pairs}


def _body(data: bytes, more: bool) -> dict[str, object]:
    return {"type": "http.response.body", "body": data, "more_body": more}
