"""A lane whose process is killed under load: the mesh's own clusters, routes and retries, in real Envoys.

Settings and measurements: docs/decisions/0002-fallback.md.
"""

from __future__ import annotations

import contextlib
import http.client
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from mesh.model.lanes import service_lanes
from mesh.model.nouns import Endpoint, Environment, Intent, LaneKey, Port, State
from mesh.model.world import World
from mesh.protos import message, unpack
from mesh.sidecar import envoy_argv, ready
from mesh.translation import clusters, filters, listeners, naming, routes
from mesh.translation.access import endpoint_metadata
from tests.integration.mesh import dataplane as bench

pytestmark = pytest.mark.integration

APP = """
import os, sys, time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
class Door(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"; disable_nagle_algorithm = True; wbufsize = -1
    def do_GET(self):
        if self.command == "POST":
            os.write(ledger, (self.path + "\\n").encode())
        time.sleep(0.003)
        self.send_response(200); self.send_header("content-length", "0")
        if self.path == "/liar":
            self.send_header("x-colorlane-failure", "unreached")
        self.end_headers()
    do_POST = do_GET
    def log_message(self, *_): pass
ledger = os.open(sys.argv[2], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
class Server(ThreadingHTTPServer):
    request_queue_size = 128
Server(("127.0.0.1", int(sys.argv[1])), Door).serve_forever()
"""


def content(resource: Any) -> Any:
    """The message inside a resource of the translation."""
    return unpack(message("envoy.service.discovery.v3.Resource").FromString(resource.wire).resource)


def listening(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=1)
    with contextlib.suppress(OSError, http.client.HTTPException):
        connection.request("GET", "/")
        return connection.getresponse().status == 200
    return False


@dataclass
class Replica:
    """One workload: an application and its sidecar, each a process of its own."""

    folder: Path
    color: str
    version: str
    target: int = field(default_factory=bench.free_port)
    inbound: int = field(default_factory=bench.free_port)
    app: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        ledger = self.folder / "posts"
        self.app = subprocess.Popen([sys.executable, "-c", APP, str(self.target), str(ledger)])
        bench.wait_for(lambda: listening(self.target))

    def kill(self) -> None:
        assert self.app is not None
        self.app.send_signal(signal.SIGKILL)
        self.app.wait()


def world(replicas: list[Replica]) -> World:
    made = World().with_environment(Environment("shop", "alice"))
    endpoints = []
    for one in replicas:
        key = LaneKey("shop", "reviews", one.color)
        made = made.with_intent(Intent(key, 1, one.version, {one.version: 100}))
        port = Port("http", 9080, one.inbound, one.target)
        name = f"shop/reviews/{one.color or '-'}/{one.version}/0"
        endpoints.append(
            Endpoint(name, "n", "shop", "reviews", one.color, one.version, "127.0.0.1", (port,), 1, State.READY)
        )
    return made.with_node("n", endpoints)


def outbound_clusters(plan: Any, replicas: list[Replica]) -> list[Any]:
    """The mesh's clusters for a caller, with the endpoints that EDS would bring."""
    made = {}
    for lane in plan.owned.values():
        for target in lane.targets:
            chain = tuple(naming.member_cluster("shop", "reviews", 9080, member) for member in target.chain)
            for name, member in zip(chain, target.chain, strict=True):
                cluster = content(clusters.member(name, member.color))
                cluster.ClearField("eds_cluster_config")
                cluster.type = cluster.STATIC
                cluster.load_assignment.cluster_name = name
                port = next(one.inbound for one in replicas if one.color == member.color)
                host = cluster.load_assignment.endpoints.add().lb_endpoints.add()
                host.endpoint.address.socket_address.address = "127.0.0.1"
                host.endpoint.address.socket_address.port_value = port
                host.metadata.CopyFrom(endpoint_metadata("shop", "reviews", member.color, member.version))
                made[name] = cluster
            if len(chain) > 1:
                name = naming.target_cluster("shop", "reviews", 9080, target)
                made[name] = content(clusters.fallback(name, chain))
    own = (clusters.passthrough(), clusters.tunnel(1), clusters.original())
    return [*made.values(), *(content(each) for each in own)]


@dataclass
class Stage:
    outbound: int
    alice: Replica
    sidecars: dict[str, subprocess.Popen[bytes]]
    restart_sidecar: Callable[[str], None]
    ledger: Path


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    replicas = [Replica(tmp_path, "", "v1"), Replica(tmp_path, "alice", "a1")]
    plan = service_lanes(world(replicas), "shop", "reviews")
    table = content(routes.sidecar_routes("shop", {"reviews": plan}))
    outbound = bench.free_port()
    sidecars: dict[str, subprocess.Popen[bytes]] = {}
    configs: dict[str, tuple[int, Path]] = {}
    with contextlib.ExitStack() as running:

        def stop() -> None:
            for process in [*sidecars.values(), *(one.app for one in replicas if one.app)]:
                process.kill()
                process.wait()

        running.callback(stop)
        for one in replicas:
            one.start()
            listener = content(listeners.inbound("127.0.0.1", 9080, one.inbound))
            app = content(clusters.application(9080, one.target, "http"))
            configs[one.color] = bench.write_config(tmp_path, [listener], [app])

        def start_sidecar(color: str) -> None:
            admin, path = configs[color]
            sidecars[color] = subprocess.Popen(envoy_argv(path, log_level="error"))
            bench.wait_for(lambda: ready(admin))

        for one in replicas:
            start_sidecar(one.color)
        caller = bench.listener(outbound, filters.sidecar_outbound_filters(), table)
        running.enter_context(bench.envoy(tmp_path, [caller], outbound_clusters(plan, replicas)))
        yield Stage(outbound, replicas[1], sidecars, start_sidecar, tmp_path / "posts")


@dataclass
class Load:
    """Callers in a closed loop; what they saw."""

    port: int
    method: str
    callers: int = 4
    answers: list[tuple[int, str]] = field(default_factory=list)
    ending: threading.Event = field(default_factory=threading.Event)

    def run(self, number: int) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        count = 0
        while not self.ending.is_set():
            count += 1
            headers = {"host": "reviews:9080", "x-color": "alice", "content-length": "0"}
            connection.request(self.method, f"/{number}/{count}", headers=headers)
            response = connection.getresponse()
            response.read()
            self.answers.append((response.status, response.getheader("x-colorlane-route") or ""))
        connection.close()

    def answered(self, more: int) -> None:
        """Wait until that many more answers have come."""
        goal = len(self.answers) + more
        bench.wait_for(lambda: len(self.answers) >= goal, 30)

    @contextlib.contextmanager
    def under_way(self) -> Iterator[Load]:
        threads = [threading.Thread(target=self.run, args=(number,)) for number in range(self.callers)]
        for thread in threads:
            thread.start()
        try:
            yield self
        finally:
            self.ending.set()
            for thread in threads:
                thread.join()

    @property
    def failed(self) -> int:
        return sum(1 for status, _ in self.answers if status != 200)

    def receipts(self) -> set[str]:
        return {receipt for _, receipt in self.answers}


OWN = "reviews@alice=a1"
FAILED = "reviews@-=v1;fallback=failed"
UNHEALTHY = "reviews@-=v1;fallback=unhealthy"


def test_no_request_fails_when_the_coloured_application_is_killed(stage: Stage) -> None:
    with Load(stage.outbound, "GET").under_way() as load:
        load.answered(200)
        stage.alice.kill()
        load.answered(600)
        stage.alice.start()
        bench.wait_for(lambda: load.answers[-1][1] == OWN)
    assert load.failed == 0
    assert load.receipts() - {UNHEALTHY} == {OWN, FAILED}


def test_no_request_fails_when_the_coloured_sidecar_is_killed(stage: Stage) -> None:
    with Load(stage.outbound, "GET").under_way() as load:
        load.answered(200)
        stage.sidecars["alice"].kill()
        stage.sidecars["alice"].wait()
        load.answered(600)
        stage.restart_sidecar("alice")
        bench.wait_for(lambda: load.answers[-1][1] == OWN)
    assert load.failed == 0
    assert load.receipts() == {OWN, FAILED, UNHEALTHY}


def test_unsafe_methods_are_never_run_twice_and_fail_only_in_flight(stage: Stage) -> None:
    with Load(stage.outbound, "POST").under_way() as load:
        load.answered(200)
        stage.alice.kill()
        load.answered(400)
        stage.alice.start()
        load.answered(100)
    done = stage.ledger.read_text().split()
    assert len(done) == len(set(done))
    # a caller can lose the request in flight, and the next one on a kept connection whose end is not noticed yet
    assert load.failed <= 2 * load.callers


def test_an_application_cannot_ask_for_retries_by_the_sidecars_own_header(stage: Stage) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", stage.outbound, timeout=10)
    connection.request("POST", "/liar", headers={"host": "reviews:9080", "x-color": "alice", "content-length": "0"})
    response = connection.getresponse()
    connection.close()
    assert response.status == 200
    assert response.getheader("x-colorlane-failure") is None
    assert stage.ledger.read_text().split() == ["/liar"]
