"""A small HTTP/1.1 JSON server and client on the standard library, shared by the shop's Python services.

Keep-alive, one write per answer (no 40 ms of Nagle), `/healthz`, and a graceful end on SIGTERM: requests in flight are
finished, new ones on kept connections are told to go elsewhere.
"""

import json
import os
import random
import signal
import threading
import time
import urllib.error
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

HERE = Path(__file__).parent
GRACE = 10.0  # seconds to finish what is in flight; below the manifests' terminationGracePeriodSeconds


def version():
    """Return the text of version.txt beside the service."""
    return (HERE / "version.txt").read_text().strip()


def behaviour():
    """Return the knobs of behaviour.json: share of requests that fail, milliseconds of delay, a text to show."""
    knobs = {"error_rate": 0.0, "delay_ms": 0, "text": ""}
    return knobs | json.loads((HERE / "behaviour.json").read_text())


def get(url, headers=None, timeout=5.0):
    """GET a JSON document; return (status, document). Honours http_proxy. Status 0: nobody answered."""
    try:
        with urllib.request.urlopen(urllib.request.Request(url, headers=headers or {}), timeout=timeout) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, failure(error.read(2000).decode("utf-8", "replace"))
    except (OSError, ValueError) as error:
        return 0, {"error": str(error)}


def failure(text):
    """Return a document with `error` for the body of a failed answer, whoever wrote it."""
    try:
        document = json.loads(text)
    except ValueError:
        document = None
    return document if isinstance(document, dict) and "error" in document else {"error": text}


def kept(headers, names):
    """Return those of the named headers that the request carries."""
    return {name: headers[name] for name in names if name in headers}


class Handler(BaseHTTPRequestHandler):
    """Answers GET with what the service's `answer(path, headers)` returns: (status, content type, bytes)."""

    protocol_version = "HTTP/1.1"
    server_version = "bookshop"
    disable_nagle_algorithm = True
    wbufsize = -1  # buffered: head and body leave in one segment

    def do_GET(self):
        with self.server.in_flight:
            status, kind, body = self.server.respond(self.path, self.headers)
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            if self.server.stopping.is_set():
                self.send_header("Connection", "close")
                self.close_connection = True
            self.end_headers()
            self.wfile.write(body)
            self.wfile.flush()

    def log_request(self, code="-", size="-"):
        """One short line for what failed; the mesh counts the rest."""
        if not str(code).startswith("2"):
            print(f"{code} {self.path}", flush=True)


class InFlight:
    """Counts requests being answered."""

    def __init__(self):
        self._count = 0
        self._changed = threading.Condition()

    def __enter__(self):
        with self._changed:
            self._count += 1

    def __exit__(self, *_):
        with self._changed:
            self._count -= 1
            self._changed.notify_all()

    def wait_for_none(self, seconds):
        with self._changed:
            self._changed.wait_for(lambda: self._count == 0, seconds)


class Server(ThreadingHTTPServer):
    """`answer` is the service; knobs of behaviour.json are applied around it."""

    daemon_threads = True
    request_queue_size = 256

    def __init__(self, port, answer):
        super().__init__(("0.0.0.0" if os.environ.get("KUBERNETES_SERVICE_HOST") else "127.0.0.1", port), Handler)
        self.in_flight = InFlight()
        self.stopping = threading.Event()
        self._answer = answer
        self._knobs = behaviour()

    def respond(self, path, headers):
        if path == "/healthz":
            return 200, "text/plain", b"ok\n"
        if self._knobs["delay_ms"]:
            time.sleep(self._knobs["delay_ms"] / 1000)
        if random.random() < self._knobs["error_rate"]:
            return as_json({"error": f"{version()} broke on purpose"}, 500)
        return self._answer(path, headers)


def as_json(document, status=200):
    """Return an answer with the document as JSON."""
    return status, "application/json", json.dumps(document).encode()


def serve(answer):
    """Serve on $PORT until SIGTERM."""
    server = Server(int(os.environ.get("PORT", "9080")), answer)

    def stop(*_):
        server.stopping.set()
        threading.Thread(target=server.shutdown).start()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    print(f"{version()} listens on {server.server_address[1]}", flush=True)
    server.serve_forever(poll_interval=0.1)
    server.socket.close()
    server.in_flight.wait_for_none(GRACE)
