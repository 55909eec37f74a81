"""Weight change requested -> last of N real Envoys has acknowledged it, as a caller of the HTTP API sees it.

The clock runs from before the PUT until a GET says `programmed`; between them the caller asks again and again, so each
figure holds one or two round trips of HTTP. Target: p99 at most 40 ms for 10 Envoys.
Run: `python benchmarks/weights_to_ack.py [--envoys 10] [--changes 200] [--colours 0] [--json]`.
"""

from __future__ import annotations

import argparse
import http.client
import json
import socket
import statistics
import time
from typing import Any

from plane import NAMESPACE, Plane, plane

TARGET_P99_MS = 40.0


class Caller:
    """Calls over one kept connection, so that the client costs little."""

    def __init__(self, port: int) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        self._connection.connect()
        # Headers and body are two packets: without this the second waits 40 ms for the other side's delayed ACK.
        self._connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def call(self, method: str, path: str, body: Any = None) -> dict[str, Any]:
        """Make one call and return the answer's JSON."""
        content = None if body is None else json.dumps(body)
        self._connection.request(method, f"/v1/{path}", content, {"content-type": "application/json"})
        answer = self._connection.getresponse()
        text = answer.read()
        if answer.status != http.client.OK:
            raise RuntimeError(text.decode())
        return dict(json.loads(text))


def raise_fleet(running: Plane, envoys: int, colours: int) -> None:
    """A gateway and N-1 sidecars, one service with two versions, and colours with a workload each."""
    running.start_replica("reviews", "v1")
    running.start_replica("reviews", "v2")
    for number in range(envoys - 3):
        running.start_replica("caller", "v1", number=number)
    first = running.replicas[0].record
    for number in range(colours):
        color = f"c{number}"
        running.call("PUT", f"environments/{NAMESPACE}/{color}", {})
        running.weights("reviews", {"x1": 100}, "x1", color)
    others = [
        {**first, "id": f"{NAMESPACE}/reviews/c{number}/x1/0", "color": f"c{number}", "version": "x1"}
        for number in range(colours)
    ]
    running.call("PUT", "nodes/others/endpoints", {"endpoints": [{**each, "state": "ready"} for each in others]})
    for each in others:  # no Envoy stands behind these: registered as draining nobody waits for them
        each["state"] = "draining"
    running.call("PUT", "nodes/others/endpoints", {"endpoints": others})
    running.weights("reviews", {"v1": 50, "v2": 50}, "v1")
    running.wait_programmed("reviews")


def measure(running: Plane, changes: int) -> list[float]:
    """Return milliseconds of each change."""
    caller, path, taken = Caller(running.http_port), f"intents/{NAMESPACE}/reviews/-", []
    for number in range(changes):
        running.generation += 1
        percent = number % 100
        body = {"generation": running.generation, "stable": "v1", "weights": {"v1": 100 - percent, "v2": percent}}
        started = time.perf_counter()
        caller.call("PUT", path, body)
        while not caller.call("GET", path)["programmed"]:
            pass
        taken.append((time.perf_counter() - started) * 1000)
        time.sleep(0.02)  # changes do not pile up; each is measured from rest
    return taken


def main() -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--envoys", type=int, default=10)
    parser.add_argument("--changes", type=int, default=200)
    parser.add_argument("--colours", type=int, default=0)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    with plane() as running:
        raise_fleet(running, arguments.envoys, arguments.colours)
        taken = measure(running, arguments.changes)
    figures = {
        "envoys": arguments.envoys,
        "colours": arguments.colours,
        "changes": len(taken),
        "median_ms": round(statistics.median(taken), 1),
        "p99_ms": round(statistics.quantiles(taken, n=100)[98], 1),
        "max_ms": round(max(taken), 1),
        "target_p99_ms": TARGET_P99_MS,
    }
    if arguments.json:
        print(json.dumps(figures))
        return
    for name, value in figures.items():
        print(f"{name:<16}{value}")


if __name__ == "__main__":
    main()
