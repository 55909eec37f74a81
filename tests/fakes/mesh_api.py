"""The part of the mesh's HTTP API that the platform uses, in a thread, with what was told kept for questions.

An endpoint is withdrawn as soon as it was told not to be ready; `still_routed` holds ids that are not, all the same.
"""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote


class FakeMesh:
    """Start with `with FakeMesh() as mesh`; `history` has every list that was PUT."""

    def __init__(self) -> None:
        self.nodes: dict[str, list[dict[str, Any]]] = {}
        self.history: list[list[dict[str, Any]]] = []
        self.still_routed: set[str] = set()
        self.away = False  # connections are closed without an answer
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> FakeMesh:
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def endpoints(self) -> dict[str, dict[str, Any]]:
        """Return endpoint id -> endpoint of all nodes."""
        return {each["id"]: each for node in list(self.nodes.values()) for each in node}

    def states_of(self, endpoint: str) -> list[str]:
        """Return the states in which an endpoint was told, repetitions dropped."""
        told = [each["state"] for listing in self.history for each in listing if each["id"] == endpoint]
        return [state for index, state in enumerate(told) if index == 0 or told[index - 1] != state]

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        mesh = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_PUT(self) -> None:
                if mesh.away:
                    self.close_connection = True
                    return
                body = json.loads(self.rfile.read(int(self.headers["content-length"])))
                node = unquote(self.path.split("/")[3])
                mesh.nodes[node] = body["endpoints"]
                mesh.history.append(body["endpoints"])
                self._answer({})

            def do_GET(self) -> None:
                if mesh.away:
                    self.close_connection = True
                    return
                name = unquote(self.path.removeprefix("/v1/endpoints/"))
                known = mesh.endpoints().get(name)
                state = known["state"] if known else ""
                self._answer({"state": state, "withdrawn": state != "ready" and name not in mesh.still_routed})

            def _answer(self, body: dict[str, Any]) -> None:
                data = json.dumps(body).encode()
                self.send_response(200)
                self.send_header("content-length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *_: object) -> None:
                return

        return Handler
