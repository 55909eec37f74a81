"""The demo's load: failures are named by kind, and a stuck system does not pile up more users than it says."""

import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from delivery.demo.load import CROWD, Answer, Load


def test_failures_name_their_kinds() -> None:
    load = Load("http://127.0.0.1:1", "h", "/", 1)
    assert load.failures() == "0 of 0"
    load.answers = [
        Answer(0, 200, 0.1, {}),
        Answer(0, 503, 0.1, {}),
        Answer(0, 0, 0.1, {}, error="ReadTimeout: slow"),
        Answer(0, 0, 0.1, {}, error="ReadTimeout: slower"),
    ]
    assert load.failures() == "3 of 4 (2 times ReadTimeout, 1 times 503)"


def test_no_more_than_a_crowd_waits_for_a_stuck_server() -> None:
    released, lock, seen = threading.Event(), threading.Lock(), []

    class Stuck(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            with lock:
                seen.append(1)
            released.wait(20)
            self.send_response(200)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None: ...

    class Server(ThreadingHTTPServer):
        request_queue_size = 256
        daemon_threads = True

    with Server(("127.0.0.1", 0), Stuck) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        with Load(f"http://127.0.0.1:{server.server_port}", "h", "/", 2000) as load:
            deadline = time.monotonic() + 10
            while len(seen) < CROWD and time.monotonic() < deadline:
                time.sleep(0.01)
            at_most = len(seen)
            released.set()
        server.shutdown()
    assert at_most == CROWD
    assert load.failures().startswith("0 of ")
