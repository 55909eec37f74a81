"""The sample, built by real jobs and run from its artifacts, with a small HTTP proxy where its sidecars would be."""

from __future__ import annotations

import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from pipelines.artifacts import ArtifactStore
from pipelines.builders.tools import build_environment
from pipelines.git import Git
from pipelines.plans import plan
from pipelines.runner import JobRequest, run_job
from pipelines.runs import JobState
from pipelines.specs import parse_spec

pytestmark = pytest.mark.integration

SAMPLE = Path(__file__).parents[3] / "samples" / "bookshop"
COMMANDS = {
    "productpage": ["python3", "app.py"],
    "details": ["python3", "app.py"],
    "reviews": ["node", "server.mjs"],
    "ratings": ["node", "server.mjs"],
}
IDENTITY = {
    "GIT_AUTHOR_NAME": "Test",
    "GIT_AUTHOR_EMAIL": "test@example.org",
    "GIT_COMMITTER_NAME": "Test",
    "GIT_COMMITTER_EMAIL": "test@example.org",
    "GIT_CONFIG_GLOBAL": os.devnull,
    "PATH": os.environ["PATH"],
}


@dataclass
class Shop:
    """The running services. `seen`: service -> headers of the last call to it through the proxy."""

    artifacts: dict[str, Path]
    ports: dict[str, int]
    proxy: int = 0
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    seen: dict[str, dict[str, str]] = field(default_factory=dict)

    def start(self, service: str, home: Path, **behaviour: object) -> None:
        """Start the service from a copy of its artifact with changed knobs."""
        place = home / f"{service}-{time.monotonic_ns()}"
        shutil.copytree(self.artifacts[service], place)
        if behaviour:
            (place / "behaviour.json").chmod(0o644)
            knobs = json.loads((place / "behaviour.json").read_text())
            (place / "behaviour.json").write_text(json.dumps(knobs | behaviour))
        environment = build_environment(home, os.environ) | {
            "PORT": str(self.ports[service]),
            "http_proxy": f"http://127.0.0.1:{self.proxy}",
            "no_proxy": "127.0.0.1,localhost",
            "NODE_USE_ENV_PROXY": "1",
        }
        argv = [shutil.which(COMMANDS[service][0], path=environment["PATH"]) or "", COMMANDS[service][1]]
        self.processes[service] = subprocess.Popen(argv, cwd=place, env=environment)
        wait_for(lambda: self.healthy(service))

    def healthy(self, service: str) -> bool:
        try:
            return self.get(service, "/healthz")[0] == 200
        except OSError:
            return False

    def get(self, service: str, path: str = "/", **headers: str) -> tuple[int, str]:
        connection = http.client.HTTPConnection("127.0.0.1", self.ports[service], timeout=20)
        try:
            connection.request("GET", path, headers=headers)
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        finally:
            connection.close()

    def stop(self, service: str) -> int:
        process = self.processes.pop(service)
        process.terminate()
        try:
            return process.wait(20)
        finally:
            process.kill()


def wait_for(condition: object, seconds: float = 15.0) -> None:
    assert callable(condition)
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def was_read(server: int, client: int) -> bool:
    """Tell whether the server has read all bytes of the connection: its receive queue in /proc/net/tcp is empty."""
    local, remote = f":{server:04X}", f":{client:04X}"
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return any(
        row[1].endswith(local) and row[2].endswith(remote) and row[4].endswith(":00000000") and row[3] == "01"
        for row in rows
    )


@pytest.fixture(scope="module")
def artifacts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Push the sample through plan and jobs."""
    place = tmp_path_factory.mktemp("bookshop")
    repository = place / "repository"
    shutil.copytree(SAMPLE, repository, ignore=shutil.ignore_patterns("__pycache__"))
    for arguments in (["init", "-q", "-b", "main"], ["add", "-A"], ["commit", "-q", "-m", "one"]):
        subprocess.run(["git", *arguments], cwd=repository, env=IDENTITY, check=True)
    git, store = Git(repository), ArtifactStore(place / "state")
    spec = parse_spec(git.file("main", "colorlane.yaml") or b"")
    found = {}
    for name, item in plan(spec, git.tree("main")).services.items():
        job = JobRequest(repository, git.commit("main"), spec.services[name], item.key, place / f"{name}.log")
        result = run_job(job, store)
        assert result.state is JobState.SUCCEEDED, job.log.read_text()
        found[name] = store.artifact_path(result.artifact)
    return found


@pytest.fixture
def shop(artifacts: dict[str, Path], tmp_path: Path) -> Iterator[Shop]:
    running = Shop(artifacts, {name: free_port() for name in COMMANDS})

    class Proxy(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            target = urlsplit(self.path)
            service = target.hostname or ""
            running.seen[service] = {name.lower(): value for name, value in self.headers.items()}
            status, body = running.get(service, target.path or "/")
            self.send_response(status)
            self.send_header("Content-Length", str(len(body.encode())))
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Proxy)
    running.proxy = server.server_port
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        for name in COMMANDS:
            running.start(name, tmp_path)
        yield running
    finally:
        for name in list(running.processes):
            running.stop(name)
        server.shutdown()
        server.server_close()


def test_the_page_shows_every_service_and_passes_on_what_it_should(shop: Shop) -> None:
    trace = {"traceparent": "00-11-22-01", "tracestate": "a=b", "baggage": "c=d"}
    status, text = shop.get("productpage", **trace)
    assert status == 200
    versions = {row["service"]: row["version"] for row in json.loads(text)["answers"]}
    assert versions == dict.fromkeys(COMMANDS, "v1")
    for service in ("details", "reviews"):
        assert {key for key in trace if key in shop.seen[service]} == {"traceparent", "tracestate"}
    status, text = shop.get("productpage", Accept="text/html")
    assert (status, text.startswith("<!doctype html>"), "★★★★★" in text) == (200, True, True)


def test_each_service_has_its_own_way_to_pass_on(shop: Shop) -> None:
    trace = {"traceparent": "00-11-22-01", "tracestate": "a=b", "baggage": "c=d"}
    carried = {}
    for service in ("reviews", "details"):
        assert shop.get(service, **trace)[0] == 200
        carried[service] = {key for key in trace if key in shop.seen["ratings"]}
    assert carried == {"reviews": {"traceparent"}, "details": {"baggage"}}


def test_a_version_that_misbehaves_really_does(shop: Shop, tmp_path: Path) -> None:
    shop.stop("reviews")
    shop.start("reviews", tmp_path, error_rate=1.0)
    assert shop.get("reviews")[0] == 500
    status, text = shop.get("productpage")
    assert (status, json.loads(text)["reviews"]) == (502, {"error": "v1 broke on purpose"})
    shop.stop("reviews")
    shop.start("reviews", tmp_path, delay_ms=300)
    begun = time.monotonic()
    assert shop.get("reviews")[0] == 200
    assert time.monotonic() - begun >= 0.3


@pytest.mark.parametrize("service", ["details", "ratings"])
def test_a_request_in_flight_is_finished_on_sigterm(shop: Shop, tmp_path: Path, service: str) -> None:
    shop.stop(service)
    shop.start(service, tmp_path, delay_ms=1000)
    connection = http.client.HTTPConnection("127.0.0.1", shop.ports[service], timeout=20)
    connection.request("GET", "/")
    wait_for(lambda: was_read(shop.ports[service], connection.sock.getsockname()[1]))
    shop.processes[service].send_signal(signal.SIGTERM)
    answer = connection.getresponse()
    assert (answer.status, json.loads(answer.read())["service"]) == (200, service)
    connection.close()
    assert shop.processes.pop(service).wait(20) == 0


def test_an_idle_kept_connection_does_not_hold_up_the_end(shop: Shop) -> None:
    connections = []
    for service in COMMANDS:
        connection = http.client.HTTPConnection("127.0.0.1", shop.ports[service], timeout=20)
        connection.request("GET", "/healthz")
        assert connection.getresponse().read()
        connections.append(connection)
    begun = time.monotonic()
    assert [shop.stop(service) for service in COMMANDS] == [0, 0, 0, 0]
    assert time.monotonic() - begun < 8
    for connection in connections:
        connection.close()
