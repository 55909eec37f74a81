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

import redis
from plane import NAMESPACE, Plane, plane

from mesh.sources.store_redis import PREFIX

TARGET_P99_MS = 40.0
WHOLE = {"weights": {"x1": 100}, "withdrawn": False}


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
    if colours:
        add_colours(running, colours)
    running.weights("reviews", {"v1": 50, "v2": 50}, "v1")
    running.wait_programmed("reviews")


def add_colours(running: Plane, colours: int) -> None:
    """Colours with a workload each, put where the mesh reads them at its start: told one by one they take minutes.

    No Envoy stands behind their endpoints, so these are registered as draining: nobody waits for them.
    """
    names = [f"c{number}" for number in range(colours)]
    intents = {f"{NAMESPACE}/reviews/{name}": {"generation": 1, "stable": "x1", **WHOLE} for name in names}
    environments = {f"{NAMESPACE}/{name}": {"base": "", "fallback": "fallback"} for name in names}
    first = {**running.replicas[0].record, "version": "x1", "state": "draining"}
    others = [{**first, "id": f"{NAMESPACE}/reviews/{name}/x1/0", "color": name} for name in names]
    running.kill_mesh()
    with redis.Redis(port=running.redis_port) as store:
        for kind, content in (("intents", intents), ("environments", environments), ("endpoints", {"others": others})):
            store.hset(PREFIX + kind, mapping={key: json.dumps(value) for key, value in content.items()})
    running.start_mesh()


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
