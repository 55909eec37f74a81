"""Injection: what a new pod waits for its sidecar. The review alone, and over HTTPS as the API server asks.

The answer over HTTPS is set beside one of the same server that does nothing (`/healthz`), in turns, on one connection:
the difference is injection, the rest is the machine. Pods: four containers with environment, probes and volumes.
Run: `python benchmarks/injection.py [--pods 2000] [--json]`.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import socket
import ssl
import statistics
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

import httpx
import structlog

from mesh.identity import Keyring, ServingCertificate, ssl_context
from mesh.injection import Options
from mesh.webhook import admission_app, review, serve
from tests.fakes.admission import review_of

TARGET_MS = 5.0


def pod(number: int) -> dict[str, Any]:
    """A pod as large as they come: four containers, forty variables each, twelve volumes."""
    containers = [
        {
            "name": f"container-{index}",
            "image": "registry.test/app:1",
            "env": [{"name": f"VARIABLE_{each}", "value": "x" * 40} for each in range(40)],
            "readinessProbe": {"httpGet": {"path": "/", "port": 8080}},
            "volumeMounts": [{"name": f"volume-{each}", "mountPath": f"/mnt/{each}"} for each in range(12)],
        }
        for index in range(4)
    ]
    volumes = [{"name": f"volume-{each}", "configMap": {"name": "c"}} for each in range(12)]
    labels = {"app": "reviews", "colorlane.dev/inject": "true", "colorlane.dev/version": f"v{number}"}
    return {
        "metadata": {"generateName": "r-", "labels": labels},
        "spec": {"containers": containers, "volumes": volumes},
    }


def figures(seconds: list[float]) -> dict[str, float]:
    """Return milliseconds: median, 99th percentile and the slowest."""
    cuts = statistics.quantiles(seconds, n=100)
    return {
        name: round(value * 1000, 3) for name, value in (("p50", cuts[49]), ("p99", cuts[98]), ("max", max(seconds)))
    }


def reviews_alone(pods: int, options: Options) -> tuple[list[float], list[float]]:
    """Time body in, body out, JSON included: by the clock, and of the processor (other programs do not count)."""
    spent, worked = [], []
    for number in range(pods):
        body = json.dumps(review_of(pod(number))).encode()
        started, begun = time.perf_counter(), time.thread_time()
        json.dumps(review(json.loads(body), options)[0]).encode()
        spent.append(time.perf_counter() - started)
        worked.append(time.thread_time() - begun)
    return spent, worked


def listening() -> socket.socket:
    """As the mesh does: the protocol is named, or asyncio leaves Nagle's algorithm on, and answers come 40 ms late."""
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.bind(("127.0.0.1", 0))
    return listener


async def over_https(pods: int, options: Options, ring: Keyring) -> tuple[list[float], list[float]]:
    """Time reviews and plain answers in turns."""
    listener = listening()
    context = ssl_context(ServingCertificate(lambda: ring, ["localhost"]))
    running = asyncio.create_task(serve(admission_app(lambda: options), listener, context))
    trust = ssl.create_default_context(cadata=ring.bundle().decode())
    url = f"https://localhost:{listener.getsockname()[1]}"
    injected, plain = [], []
    async with httpx.AsyncClient(base_url=url, verify=trust, trust_env=False) as client:
        for number in range(pods):
            body = json.dumps(review_of(pod(number))).encode()
            started = time.perf_counter()
            (await client.post("/inject", content=body)).raise_for_status()
            between = time.perf_counter()
            (await client.get("/healthz")).raise_for_status()
            injected.append(between - started)
            plain.append(time.perf_counter() - between)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    return injected, plain


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pods", type=int, default=2000, help="how many (default 2000)")
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(40))
    ring = Keyring().renewed(datetime.now(UTC))
    options = Options("registry.test/colorlane:1", ring.bundle().decode())
    alone, worked = (figures(each) for each in reviews_alone(asked.pods, options))
    injected, plain = (figures(each) for each in asyncio.run(over_https(asked.pods // 4, options, ring)))
    result = {
        "review": alone,
        "review_cpu": worked,
        "over_https": injected,
        "https_alone": plain,
        "target_p99_ms": TARGET_MS,
    }
    if asked.json:
        print(json.dumps(result))
        return
    rows = (("review of a pod", alone), ("its CPU time", worked), ("over HTTPS", injected), ("HTTPS alone", plain))
    for name, each in rows:
        print(f"{name:16} p50 {each['p50']:7.3f} ms   p99 {each['p99']:7.3f} ms   slowest {each['max']:7.3f} ms")
    print(f"target: p99 of its CPU time < {TARGET_MS} ms: {'met' if worked['p99'] < TARGET_MS else 'MISSED'}")


if __name__ == "__main__":
    main()
