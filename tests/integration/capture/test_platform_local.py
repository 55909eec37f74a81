"""`colorlane up --capture`: applications of the local platform that know no proxy, and rules that never stay behind."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from delivery.adapters.platform_local.adapter import LocalPlatform
from delivery.adapters.platform_local.records import MARK
from delivery.errors import Transient
from delivery.processes.identity import find_marked
from delivery.workloads import Health, WorkloadSpec
from tests.fakes.workloads import workload
from tests.integration.capture.captured import ROOT
from tests.integration.capture.namespaces import inside, ip, missing, network
from tests.integration.mesh.controlplane import NAMESPACE, Plane, running_plane
from tests.integration.mesh.dataplane import wait_for

pytestmark = [pytest.mark.integration, pytest.mark.skipif(bool(missing()), reason=missing())]

APP = """
import http.client, http.server, os, sys
class Door(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = sys.argv[1]
        if self.path == "/" and len(sys.argv) > 2:
            try:
                connection = http.client.HTTPConnection(sys.argv[2], 9080, timeout=5)
                connection.request("GET", "/", headers={"traceparent": self.headers["traceparent"]})
                body += ">" + connection.getresponse().read().decode()
            except OSError as error:
                body += ">" + repr(error)
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body.encode())
    def log_message(self, *_): pass
http.server.ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Door).serve_forever()
"""
ALL = "productpage@-=v1>reviews@-=v1"


@dataclass
class Machine:
    """A mesh and an agent in a network of their own, with a way out that leads nowhere."""

    plane: Plane
    platform: LocalPlatform
    state_dir: Path
    agent: subprocess.Popen[bytes] | None = None

    def start_agent(self, *, capture: bool) -> None:
        environment = {
            **os.environ,
            "COLORLANE_STATE_DIR": str(self.state_dir),
            "COLORLANE_XDS_PORT": str(self.plane.xds_port),
            "COLORLANE_MESH_PORT": str(self.plane.http_port),
            "COLORLANE_CAPTURE": str(capture),
        }
        with (self.state_dir / "agent.log").open("ab") as log:
            command = [sys.executable, "-m", "delivery", "agent"]
            self.agent = subprocess.Popen(command, env=environment, cwd=ROOT, stdout=log, stderr=log)
        alive = self.state_dir / "platform" / "agent.json"
        wait_for(lambda: alive.exists() and str(self.agent and self.agent.pid) in alive.read_text())

    def end_agent(self, *, kill: bool) -> None:
        assert self.agent is not None
        self.agent.kill() if kill else self.agent.terminate()
        self.agent.wait(timeout=30)

    def deploy(self, service: str, *calls: str) -> WorkloadSpec:
        name = f"{service}@-=v1"
        command = ("python3", "app.py", name, *calls)
        spec = workload(self.state_dir, color="", service=service, code=APP, command=command)
        self.platform.apply(spec)
        wait_for(lambda: self.health(spec) is Health.READY)
        self.plane.weights(service, {"v1": 100}, "v1")
        self.plane.wait_programmed(service)
        return spec

    def health(self, spec: WorkloadSpec) -> Health | None:
        try:
            return self.platform.status(spec.key).health
        except Transient:
            return None

    def pids(self) -> set[int]:
        return {pid for pid, _ in find_marked(MARK, f"{self.state_dir}:")}


def tables() -> str:
    return subprocess.run(["nft", "list", "ruleset"], capture_output=True, text=True, check=True).stdout


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    with network() as net, running_plane(tmp_path) as plane:
        ip("route", "add", "default", "via", "10.77.0.2", namespace=net.node)
        made = Machine(plane, LocalPlatform(tmp_path), tmp_path)
        with inside(net.node):
            try:
                yield made
            finally:
                for process in [made.agent] if made.agent and made.agent.poll() is None else []:
                    process.terminate()
                    process.wait(timeout=30)
                for pid in made.pids():
                    os.kill(pid, 9)


def test_an_application_without_a_proxy_is_in_the_mesh_and_rules_go_with_it(machine: Machine) -> None:
    machine.start_agent(capture=True)
    machine.deploy("reviews")
    machine.deploy("productpage", "reviews.bookshop.svc.cluster.local")
    assert machine.plane.ask() == (200, ALL)
    assert "redirect" in tables()
    before = machine.pids()

    machine.end_agent(kill=True)
    assert machine.plane.ask() == (200, ALL), "applications outlive their agent, and stay captured"
    machine.start_agent(capture=True)
    assert machine.pids() == before
    assert machine.plane.ask() == (200, ALL)

    machine.end_agent(kill=False)
    assert machine.pids() == set()
    assert tables() == ""


def test_what_a_killed_agent_left_is_gone_after_the_next_start(machine: Machine) -> None:
    machine.start_agent(capture=True)
    machine.deploy("reviews")
    machine.end_agent(kill=True)
    for pid in machine.pids():
        os.kill(pid, 9)
    assert "redirect" in tables()
    machine.start_agent(capture=False)
    assert tables() == ""
    assert not (machine.state_dir / "platform" / "capture").exists()


def test_other_processes_of_the_machine_are_left_alone(machine: Machine) -> None:
    machine.start_agent(capture=True)
    machine.deploy("reviews")
    path = f"endpoints/{NAMESPACE}/reviews/-/v1/0"
    assert machine.plane.call("GET", path)["state"] == "ready"
    code = "import socket; s = socket.socket(); s.settimeout(0.2); s.connect(('240.240.9.9', 9080))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "Error" in done.stderr, "its packets went where they were sent: nowhere"
