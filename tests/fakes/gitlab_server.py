"""A little GitLab over HTTP: the statuses API with its real path and refusals, repositories by `git http-backend`.

It asks for the token on both, keeps what it was told, and answers once with whatever `answers` holds for a status name.
Statuses move as GitLab's do (app/services of gitlab-org/gitlab, "Cannot transition status"): pending and running once
each, never backwards, and of two writers of one commit at the same moment one gets a 409.
"""

from __future__ import annotations

import base64
import json
import os
import re
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote

TOKEN = "glpat-secret"
STATUS = re.compile(r"/api/v4/projects/([^/]+)/statuses/([0-9a-f]{40})")
FINAL = frozenset({"success", "failed", "canceled", "skipped"})
ORDER = {"pending": 0, "running": 1}


class FakeGitlab:
    """Start with `with FakeGitlab(folder) as gitlab`; `folder/<path>.git` are the repositories it serves.

    `away`: it answers 503 to everything. `told`: accepted statuses, `refused`: the others, as (status, body).
    `requests`: the request lines; `credentials`: the authorization headers they came with.
    """

    def __init__(self, repositories: Path) -> None:
        self.repositories = repositories
        self.away = False
        self.told: list[dict[str, Any]] = []
        self.refused: list[tuple[int, dict[str, Any]]] = []
        self.answers: dict[str, tuple[int, dict[str, Any]]] = {}
        self.requests: list[str] = []
        self.credentials: list[str] = []
        self._writing: dict[str, threading.Lock] = {}
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> FakeGitlab:
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def states(self, sha: str, name: str = "colorlane") -> list[str]:
        """Return the states a commit was told under a name, in order."""
        return [told["state"] for told in self.told if (told["sha"], told["name"]) == (sha, name)]

    def set_status(self, project: str, sha: str, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        """Answer one POST to the statuses API."""
        lock = self._writing.setdefault(sha, threading.Lock())
        if not lock.acquire(blocking=False):
            return 409, {"message": "409 Conflict: another update of this commit is under way"}
        try:
            last = (self.states(sha, body["name"]) or [""])[-1]
            if body["name"] in self.answers:
                return self.answers.pop(body["name"])
            if last in ORDER and ORDER.get(body["state"], 2) <= ORDER[last]:
                return 400, {"message": f"Cannot transition status via :{body['state']} from :{last}"}
            self.told.append({"project": project, "sha": sha, **body})
            return 201, {"id": len(self.told), "status": body["state"], "sha": sha}
        finally:
            lock.release()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        gitlab = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                found = STATUS.fullmatch(self.path.partition("?")[0])
                if not self._is_open():
                    return
                if ".git/" in self.path:
                    self._git(body)
                elif self.headers["private-token"] != TOKEN:
                    self._answer(401, {"message": "401 Unauthorized"})
                elif found is None:
                    self._answer(404, {"message": "404 Not Found"})
                else:
                    told = json.loads(body)
                    status, answer = gitlab.set_status(unquote(found[1]), found[2], told)
                    if status != 201:
                        gitlab.refused.append((status, told))
                    self._answer(status, answer)

            def do_GET(self) -> None:
                if self._is_open():
                    self._git(b"")

            def _is_open(self) -> bool:
                if gitlab.away:
                    self._answer(503, {"message": "GitLab is not responding"})
                return not gitlab.away

            def _git(self, body: bytes) -> None:
                """Pass the request to git http-backend, as a CGI program (RFC 3875)."""
                wanted = "Basic " + base64.b64encode(f"oauth2:{TOKEN}".encode()).decode()
                gitlab.credentials.append(self.headers["authorization"] or "")
                if self.headers["authorization"] != wanted:
                    self._answer(401, {"message": "HTTP Basic: Access denied"}, **{"www-authenticate": "Basic"})
                    return
                path, _, query = self.path.partition("?")
                variables = {
                    "GIT_PROJECT_ROOT": str(gitlab.repositories),
                    "GIT_HTTP_EXPORT_ALL": "1",
                    "PATH_INFO": unquote(path),
                    "QUERY_STRING": query,
                    "REQUEST_METHOD": self.command,
                    "CONTENT_TYPE": self.headers["content-type"] or "",
                    "CONTENT_LENGTH": str(len(body)),
                    "HTTP_CONTENT_ENCODING": self.headers["content-encoding"] or "",
                    "GIT_PROTOCOL": self.headers["git-protocol"] or "",
                }
                done = subprocess.run(
                    ["git", "http-backend"], input=body, capture_output=True, env=os.environ | variables, check=True
                )
                head, _, content = done.stdout.partition(b"\r\n\r\n")
                lines = dict(line.split(": ", 1) for line in head.decode().split("\r\n"))
                status = int(lines.pop("Status", "200").split()[0])
                self._send(status, content, lines.get("Content-Type", "text/plain"))

            def _answer(self, status: int, body: dict[str, Any], **headers: str) -> None:
                self._send(status, json.dumps(body).encode(), "application/json", **headers)

            def _send(self, status: int, body: bytes, kind: str, **headers: str) -> None:
                self.send_response(status)
                for name, value in {"content-type": kind, "content-length": str(len(body)), **headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: Any) -> None:
                gitlab.requests.append(format % args)

        return Handler
