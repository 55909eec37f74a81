"""A little GitLab over HTTP: the statuses API on its real path, and the repository by Git's dumb protocol.

It asks for the token on both, keeps what it was told, and answers once with whatever `answers` holds for a status name.
"""

from __future__ import annotations

import base64
import json
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote

TOKEN = "glpat-secret"
STATUS = re.compile(r"/api/v4/projects/([^/]+)/statuses/([0-9a-f]{40})")


class FakeGitlab:
    """Start with `with FakeGitlab(folder) as gitlab`; `folder/<path>.git` are the repositories it serves."""

    def __init__(self, repositories: Path) -> None:
        self.repositories = repositories
        self.told: list[dict[str, Any]] = []
        self.answers: dict[str, tuple[int, dict[str, Any]]] = {}
        self.headers: list[str] = []
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> FakeGitlab:
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        gitlab = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["content-length"])))
                found = STATUS.fullmatch(self.path.partition("?")[0])
                if self.headers["private-token"] != TOKEN:
                    self._answer(401, {"message": "401 Unauthorized"})
                elif found is None:
                    self._answer(404, {"message": "404 Not Found"})
                elif body["name"] in gitlab.answers:
                    self._answer(*gitlab.answers.pop(body["name"]))
                else:
                    project, sha = unquote(found[1]), found[2]
                    gitlab.told.append({"project": project, "sha": sha, **body})
                    self._answer(201, {"id": len(gitlab.told), "status": body["state"], "sha": sha})

            def do_GET(self) -> None:
                wanted = "Basic " + base64.b64encode(f"oauth2:{TOKEN}".encode()).decode()
                path = gitlab.repositories / unquote(self.path.partition("?")[0]).lstrip("/")
                if self.headers["authorization"] != wanted:
                    self.send_response(401)
                    self.send_header("www-authenticate", 'Basic realm="GitLab"')
                    self.send_header("content-length", "0")
                    self.end_headers()
                elif path.is_file():
                    self._send(200, path.read_bytes(), "application/octet-stream")
                else:
                    self._answer(404, {"message": "404 Not Found"})

            def _answer(self, status: int, body: dict[str, Any]) -> None:
                self._send(status, json.dumps(body).encode(), "application/json")

            def _send(self, status: int, body: bytes, kind: str) -> None:
                self.send_response(status)
                self.send_header("content-type", kind)
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: Any) -> None:
                gitlab.headers.append(format % args)

        return Handler
