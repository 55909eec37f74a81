"""Capture: what setting it up takes, and what it adds to a hop, in network namespaces with real rules and Envoys.

Side by side in one run, in turns: the same request without a mesh, by the explicit proxy (HTTP_PROXY), and captured.
The server answers at once from one thread, so what is measured is the way. Needs root, nftables and iproute2.
Run: `python benchmarks/capture.py [--rounds 10] [--requests 200] [--setups 20] [--json]`.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import re
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from mesh.model import pods
from mesh.translation.dns import virtual_addresses
from tests.integration.capture.captured import PORT, Bench, bench, capture
from tests.integration.capture.namespaces import Pod, inside, missing
from tests.integration.mesh.controlplane import NAMESPACE
from tests.integration.mesh.dataplane import wait_for

SERVER = """
import socket, sys, threading
def serve(caller):
    caller.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    got = b""
    while data := caller.recv(65536):
        got += data
        while b"\\r\\n\\r\\n" in got:
            got = got.partition(b"\\r\\n\\r\\n")[2]
            caller.sendall(b"HTTP/1.1 200 OK\\r\\ncontent-length: 2\\r\\n\\r\\nok")
door = socket.create_server(("0.0.0.0", int(sys.argv[1])), backlog=128)
while True:
    caller, _ = door.accept()
    threading.Thread(target=serve, args=(caller,), daemon=True).start()
"""
REQUEST = b"GET %s HTTP/1.1\r\nhost: reviews:9080\r\n\r\n"
Times = list[float]
Way = tuple[str, tuple[str, int], bytes]
"""Namespace of the caller, address, request."""


class Caller:
    """One kept connection."""

    def __init__(self, way: Way) -> None:
        namespace, address, self._request = way
        with inside(namespace):
            self._socket = socket.create_connection(address, timeout=10)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def call(self) -> float:
        """Make one request; return milliseconds. Raises RuntimeError for anything but 200."""
        started = time.perf_counter()
        self._socket.sendall(self._request)
        answer = self._socket.recv(65536)
        while not answer.endswith(b"\r\n\r\nok"):
            if not answer.startswith(b"HTTP/1.1 200") or not (more := self._socket.recv(65536)):
                raise RuntimeError(answer.decode(errors="replace"))
            answer += more
        return (time.perf_counter() - started) * 1000

    def close(self) -> None:
        """Close the connection."""
        self._socket.close()


def kept(way: Way, requests: int) -> Times:
    """Return the milliseconds of requests over one connection."""
    caller = Caller(way)
    for _ in range(5):
        caller.call()
    times = [caller.call() for _ in range(requests)]
    caller.close()
    return times


def fresh(way: Way, requests: int) -> Times:
    """Return the milliseconds of requests over a new connection each."""
    times = []
    for _ in range(requests):
        started = time.perf_counter()
        caller = Caller(way)
        caller.call()
        times.append((time.perf_counter() - started) * 1000)
        caller.close()
    return times


@contextlib.contextmanager
def ways(running: Bench) -> Iterator[dict[str, Way]]:
    """A captured caller and callee, and two pods that know nothing of the mesh."""
    plain = REQUEST % b"/"
    with contextlib.ExitStack() as stack:
        caller, callee, bare, other = (running.net.add_pod() for _ in range(4))
        for pod in (caller, callee):
            capture(pod, "--dns")
        for pod, service in ((caller, "productpage"), (callee, "reviews")):
            replica = running.prepare(pod, service, "v1")
            running.start_envoy(replica)
            running.register(replica)
            running.plane.weights(service, {"v1": 100}, "v1")
        for pod in (callee, other):
            stack.callback(serve(pod).kill)
        running.plane.wait_programmed("reviews")
        virtual = virtual_addresses(["productpage", "reviews"], NAMESPACE)["reviews"][0]
        proxied = REQUEST % b"http://reviews:9080/"
        yield {
            "no mesh": (bare.namespace, (other.ipv4, PORT), plain),
            "both sidecars, HTTP_PROXY": (caller.namespace, ("127.0.0.1", pods.PROXY_PORT), proxied),
            "both sidecars, captured": (caller.namespace, (virtual, PORT), plain),
            "inbound sidecar, its port": (bare.namespace, (callee.ipv4, pods.FIRST_INBOUND_PORT), plain),
            "inbound sidecar, captured": (bare.namespace, (callee.ipv4, PORT), plain),
        }


def serve(pod: Pod) -> subprocess.Popen[bytes]:
    """Start the server in a pod."""
    server = subprocess.Popen(pod.command(sys.executable, "-c", SERVER, str(PORT)))
    with inside(pod.namespace):
        wait_for(lambda: socket.socket().connect_ex(("127.0.0.1", PORT)) == 0)
    return server


def set_up(running: Bench, count: int) -> dict[str, Times]:
    """Return milliseconds of `apply` in new namespaces: the whole process, and what it says itself."""
    times: dict[str, Times] = {}
    for backend in ("nft", "iptables"):
        for _ in range(count):
            pod = running.net.add_pod()
            started = time.perf_counter()
            said = capture(pod, "--backend", backend)
            times.setdefault(f"{backend}, the whole init process", []).append((time.perf_counter() - started) * 1000)
            own = re.search(r"in (\d+) ms", said)
            times.setdefault(f"{backend}, rules and check", []).append(float(own[1]) if own else 0.0)
    return times


def measured(running: Bench, rounds: int, requests: int) -> dict[str, Times]:
    """Return milliseconds by way, taken in turns."""
    times: dict[str, Times] = {}
    with ways(running) as known:
        for _ in range(rounds):
            for name, way in known.items():
                times.setdefault(f"{name}, kept connection", []).extend(kept(way, requests))
                times.setdefault(f"{name}, new connection", []).extend(fresh(way, max(1, requests // 4)))
    return times


def summary(times: dict[str, Times]) -> dict[str, dict[str, float]]:
    """Return median and p99 in milliseconds."""
    return {
        name: {"n": len(found), "p50": round(statistics.median(found), 3), "p99": round(rank(found, 0.99), 3)}
        for name, found in times.items()
    }


def rank(values: Times, share: float) -> float:
    """Return the value that `share` of the values do not exceed."""
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--requests", type=int, default=200, help="over a kept connection, in a round and way")
    parser.add_argument("--setups", type=int, default=20)
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    if why := missing():
        sys.stderr.write(f"{why}\n")
        return 2
    with bench() as running:
        found = {
            "set-up": summary(set_up(running, asked.setups)),
            "request": summary(measured(running, asked.rounds, asked.requests)),
        }
    if asked.json:
        print(json.dumps(found, indent=1))
        return 0
    for title, rows in found.items():
        print(f"{title}, milliseconds")
        for name, row in rows.items():
            print(f"  {name:45} p50 {row['p50']:8.3f}   p99 {row['p99']:8.3f}   n {row['n']}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
