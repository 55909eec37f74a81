"""A mesh whose replicas are captured: applications as an own user in a pod each, real rules, real Envoys, no proxy set.

The mesh and the gateway are those of tests/integration/mesh/controlplane.py, started in the node's namespace.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mesh.model import pods
from mesh.sidecar import Port, envoy_argv, ready, sidecar_bootstrap
from tests.integration.capture.namespaces import NODE4, Network, Pod, inside, network
from tests.integration.mesh.controlplane import NAMESPACE, Plane, running_plane
from tests.integration.mesh.dataplane import wait_for

ROOT = Path(__file__).parents[3]
APP_UID = 10200
PORT = 9080
HEALTH, TEXT = 8081, 6000  # ports that no Service has

APP = """
import http.client, http.server, json, os, socket, sys, threading, urllib.request, urllib.error, encodings.idna
name, uid, downstream, ports = sys.argv[1], int(sys.argv[2]), sys.argv[3], [int(port) for port in sys.argv[4:]]
os.setgroups([]); os.setgid(uid); os.setuid(uid)
opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
class Door(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1
    def do_GET(self):
        body = name
        if self.path == "/headers":
            body = json.dumps({key.lower(): value for key, value in self.headers.items()})
        elif downstream and self.path == "/":
            kept = {"traceparent": self.headers["traceparent"]} if self.headers["traceparent"] else {}
            try:
                body += ">" + opener.open(urllib.request.Request(downstream, headers=kept), timeout=5).read().decode()
            except OSError as error:
                body += ">" + str(error)
        content = body.encode()
        self.send_response(200)
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)
    def log_message(self, *_): pass
class Server(http.server.ThreadingHTTPServer):
    address_family = socket.AF_INET6
    daemon_threads = True
    request_queue_size = 128
servers = [Server(("::", port), Door) for port in ports]
for server in servers[1:]:
    threading.Thread(target=server.serve_forever, daemon=True).start()
servers[0].serve_forever()
"""


@dataclass
class Captured:
    """One replica in its pod."""

    id: str
    pod: Pod
    record: dict[str, Any]
    envoy: subprocess.Popen[bytes] | None = None


@dataclass
class Bench:
    """The running mesh, and its pods."""

    net: Network
    plane: Plane
    folder: Path
    replicas: list[Captured] = field(default_factory=list)

    def start(
        self, service: str, version: str, color: str = "", *, calls: str = "", options: tuple[str, ...] = ("--dns",)
    ) -> Captured:
        """A captured replica, ready, in the order of a pod: rules, sidecar, application."""
        pod = self.net.add_pod()
        capture(pod, *options)
        replica = self.prepare(pod, service, version, color)
        self.start_envoy(replica)
        self.start_app(replica, service, version, color, calls)
        self.register(replica)
        return replica

    def prepare(self, pod: Pod, service: str, version: str, color: str = "", protocol: str = "http") -> Captured:
        """What the mesh is told of a replica."""
        port = {"name": "http", "port": PORT, "inbound": pods.FIRST_INBOUND_PORT, "target": PORT, "protocol": protocol}
        identity = pods.endpoint_id(NAMESPACE, service, color, version, pod.namespace)
        who = {"namespace": NAMESPACE, "service": service, "color": color, "version": version}
        where = {"address": pod.ipv4, "outbound": pods.PROXY_PORT}
        return Captured(identity, pod, {"id": identity, **who, **where, "ports": [port], "state": "ready"})

    def start_envoy(self, replica: Captured) -> None:
        """The sidecar, as its own user, in the pod."""
        record = replica.record
        bootstrap = sidecar_bootstrap(
            replica.id,
            self.plane.xds_port,
            pods.ADMIN_PORT,
            namespace=NAMESPACE,
            service=record["service"],
            color=record["color"],
            version=record["version"],
            outbound=record["outbound"],
            ports=[Port(**port) for port in record["ports"]],
            address="0.0.0.0",
            xds_address=NODE4,
        )
        document = json.loads(bootstrap)
        ports = {"outbound": pods.CAPTURED_OUTBOUND_PORT, "inbound": pods.CAPTURED_INBOUND_PORT, "dns": pods.DNS_PORT}
        document["node"]["metadata"]["capture"] = {**ports, "ipv6": True}
        path = self.folder / f"{replica.pod.namespace}.json"
        path.write_text(json.dumps(document))
        argv = envoy_argv(path, log_level="info")
        with path.with_suffix(".log").open("wb") as log:
            command = replica.pod.command(*argv, uid=pods.PROXY_UID)
            replica.envoy = subprocess.Popen(command, stdout=log, stderr=log)
        self.plane.processes.append(replica.envoy)
        wanted = [pods.PROXY_PORT, pods.FIRST_INBOUND_PORT, pods.CAPTURED_OUTBOUND_PORT, pods.CAPTURED_INBOUND_PORT]
        try:
            with inside(replica.pod.namespace):
                wait_for(lambda: ready(pods.ADMIN_PORT, ports=wanted))
        except AssertionError as error:
            raise AssertionError(path.with_suffix(".log").read_text()[-4000:]) from error

    def start_app(self, replica: Captured, service: str, version: str, color: str, calls: str) -> None:
        """The application, which knows of no proxy."""
        name = f"{service}@{color or '-'}={version}"
        environment = {key: value for key, value in os.environ.items() if "proxy" not in key.lower()}
        command = [sys.executable, "-c", APP, name, str(APP_UID), calls, str(PORT), str(HEALTH)]
        app = subprocess.Popen(replica.pod.command(*command), env=environment)
        self.plane.processes.append(app)
        with inside(replica.pod.namespace):
            wait_for(lambda: is_open("127.0.0.1", PORT))

    def register(self, replica: Captured) -> None:
        """Tell the mesh."""
        self.replicas.append(replica)
        self.plane.call("PUT", "nodes/pods/endpoints", {"endpoints": [each.record for each in self.replicas]})


def capture(pod: Pod, *options: str, command: str = "apply") -> str:
    """Run what the init container runs; return what it said."""
    argv = [sys.executable, "-m", "mesh.capture", command, *options]
    done = subprocess.run(pod.command(*argv), capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


def is_open(host: str, port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection((host, port), timeout=2):
        return True
    return False


@contextlib.contextmanager
def bench() -> Iterator[Bench]:
    """A mesh without replicas; this thread is in the node's namespace."""
    folder = Path(tempfile.mkdtemp(prefix="colorlane-capture-"))
    folder.chmod(0o755)
    try:
        with network() as net, running_plane(folder) as plane, forwarder(NODE4, plane.xds_port):
            yield Bench(net, plane, folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def forwarder(address: str, port: int) -> Iterator[None]:
    """Lead connections to the node's address on to its loopback, where the mesh listens."""
    door = socket.create_server((address, port))

    def serve() -> None:
        with contextlib.suppress(OSError):
            while True:
                caller, _ = door.accept()
                server = socket.create_connection(("127.0.0.1", port))
                for one, other in ((caller, server), (server, caller)):
                    threading.Thread(target=pump, args=(one, other), daemon=True).start()

    threading.Thread(target=serve, daemon=True).start()
    try:
        yield
    finally:
        door.shutdown(socket.SHUT_RDWR)
        door.close()


def pump(one: socket.socket, other: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := one.recv(65536):
            other.sendall(data)
    for each in (one, other):
        with contextlib.suppress(OSError):
            each.shutdown(socket.SHUT_RDWR)


@contextlib.contextmanager
def resolver(names: dict[str, str]) -> Iterator[list[str]]:
    """The network's DNS server at the node's address: A records of `names`, and yields what it was asked."""
    asked: list[str] = []
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as door:
        door.bind((NODE4, 53))

        def serve() -> None:
            with contextlib.suppress(OSError):
                while (received := door.recvfrom(4096))[0]:
                    query, caller = received
                    name, kind, question = read_question(query)
                    asked.append(name)
                    address = names.get(name) if kind == 1 else None
                    answer = question_answer(address) if address else b""
                    code = 0 if name in names else 3
                    counts = struct.pack(">HHHH", 1, 1 if answer else 0, 0, 0)
                    door.sendto(query[:2] + struct.pack(">H", 0x8180 | code) + counts + question + answer, caller)

        threading.Thread(target=serve, daemon=True).start()
        try:
            yield asked
        finally:
            with contextlib.suppress(OSError):
                door.shutdown(socket.SHUT_RDWR)


def read_question(query: bytes) -> tuple[str, int, bytes]:
    """Return name, type and bytes of a query's question (RFC 1035)."""
    labels, at = [], 12
    while length := query[at]:
        labels.append(query[at + 1 : at + 1 + length].decode())
        at += 1 + length
    kind = struct.unpack(">H", query[at + 1 : at + 3])[0]
    return ".".join(labels).lower(), kind, query[12 : at + 5]


def question_answer(address: str) -> bytes:
    """Return an A record whose name is the question's."""
    return struct.pack(">HHHIH", 0xC00C, 1, 1, 60, 4) + socket.inet_aton(address)


def look_up(name: str, kind: int = 1, server: str = NODE4) -> tuple[int, list[str]]:
    """Ask a server as a stub resolver does; return the response code and the addresses."""
    labels = b"".join(bytes([len(label)]) + label.encode() for label in name.split("."))
    query = struct.pack(">HHHHHH", 4711, 0x0100, 1, 0, 0, 0) + labels + struct.pack(">BHH", 0, kind, 1)
    with socket.socket(socket.AF_INET6 if ":" in server else socket.AF_INET, socket.SOCK_DGRAM) as asker:
        asker.settimeout(5)
        asker.connect((server, 53))
        asker.send(query)
        answer = asker.recv(4096)
    code, count, at, found = answer[3] & 15, struct.unpack(">H", answer[6:8])[0], len(query), []
    for _ in range(count):
        while (length := answer[at]) and length < 0xC0:
            at += 1 + length
        at += 2 if answer[at] >= 0xC0 else 1
        kind_, _, _, size = struct.unpack(">HHIH", answer[at : at + 10])
        data = answer[at + 10 : at + 10 + size]
        at += 10 + size
        found.append(socket.inet_ntop(socket.AF_INET if kind_ == 1 else socket.AF_INET6, data))
    return code, found
