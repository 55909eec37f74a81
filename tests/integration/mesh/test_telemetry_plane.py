"""Telemetry, receipts and draining with the real control plane: counts by lane, exact over kill -9 of the mesh."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from mesh.sidecar import drain, in_flight, ready
from tests.integration.mesh.controlplane import DOMAIN, NAMESPACE, Plane, is_listening, running_plane
from tests.integration.mesh.dataplane import get, wait_for

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Plane]:
    """productpage v1 -> reviews v1, and reviews x1 in alice's lane."""
    folder: Path = tmp_path_factory.mktemp("plane")
    with running_plane(folder) as plane:
        plane.call("PUT", f"environments/{NAMESPACE}/alice", {"base": "", "fallback": "fallback"})
        plane.start_replica("productpage", "v1", calls="http://reviews:9080/")
        plane.start_replica("reviews", "v1")
        plane.start_replica("reviews", "x1", "alice")
        plane.weights("productpage", {"v1": 100}, "v1")
        plane.weights("reviews", {"v1": 100}, "v1")
        plane.weights("reviews", {"x1": 100}, "x1", "alice")
        for service, color in (("productpage", "-"), ("reviews", "-"), ("reviews", "alice")):
            plane.wait_programmed(service, color)
        yield plane


def requests(plane: Plane, service: str, color: str, version: str) -> int:
    versions = plane.call("GET", f"telemetry/{NAMESPACE}/{service}/{color}")["versions"]
    return int(versions.get(version, {"requests": 0})["requests"])


def receipts(plane: Plane, host: str, count: int) -> set[str]:
    return {get(plane.gateway_port, host=host)[1]["x-colorlane-route"] for _ in range(count)}


def test_each_lane_is_counted_exactly_though_the_mesh_is_killed(plane: Plane) -> None:
    assert receipts(plane, DOMAIN, 30) == {"productpage@-=v1, reviews@-=v1"}
    assert receipts(plane, f"alice.{DOMAIN}", 20) == {"productpage@-=v1, reviews@alice=x1"}
    wait_for(lambda: requests(plane, "reviews", "alice", "x1") == 20, 30)
    plane.kill_mesh()
    assert receipts(plane, f"alice.{DOMAIN}", 7) == {"productpage@-=v1, reviews@alice=x1"}
    plane.start_mesh()
    wait_for(lambda: requests(plane, "reviews", "alice", "x1") == 27, 30)
    wait_for(lambda: requests(plane, "reviews", "-", "v1") == 30, 30)
    wait_for(lambda: requests(plane, "productpage", "-", "v1") == 57, 30)


def test_a_drained_sidecar_closes_its_doors_but_can_still_call_out(plane: Plane) -> None:
    replica = plane.start_replica("reviews", "v9", state="starting")
    port = replica.record["ports"][0]
    assert ready(replica.admin, ports=[replica.outbound, port["inbound"]])
    assert in_flight(replica.admin) == 0
    assert drain(replica.admin)
    wait_for(lambda: not is_listening(port["inbound"]), 30)
    assert is_listening(replica.outbound)
