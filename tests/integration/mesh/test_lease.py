"""Weights are a lease (decision 0003), seen with real Envoys and a lease of four seconds."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator

import pytest

from tests.integration.mesh.controlplane import DOMAIN, Load, Plane, running_plane
from tests.integration.mesh.dataplane import wait_for

pytestmark = pytest.mark.integration

LEASE = 4.0
STABLE, CANDIDATE = (200, "productpage@-=v1"), (200, "productpage@-=v2")


@pytest.fixture(scope="module")
def plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Plane]:
    """A rollout that has all of its weight on the candidate, and is not promoted."""
    with running_plane(tmp_path_factory.mktemp("plane"), COLORLANE_WEIGHTS_LEASE=str(LEASE)) as plane:
        plane.start_replica("productpage", "v1")
        plane.start_replica("productpage", "v2")
        plane.weights("productpage", {"v1": 0, "v2": 100}, "v1")
        plane.wait_programmed("productpage")
        yield plane


def ask_for(plane: Plane, seconds: float) -> set[tuple[int, str]]:
    """Everything that is answered within some time."""
    ends, found = time.monotonic() + seconds, set()
    while time.monotonic() < ends:
        found.add(plane.ask())
    return found


def test_a_living_mesh_renews_the_lease(plane: Plane) -> None:
    assert ask_for(plane, 1.5 * LEASE) == {CANDIDATE}


def test_a_mesh_that_is_back_within_the_lease_has_changed_nothing(plane: Plane) -> None:
    with Load(plane, DOMAIN) as load:
        plane.kill_mesh()
        plane.start_mesh()
        plane.wait_programmed("productpage")
        ends = time.monotonic() + LEASE  # past what was left of the old lease: the new mesh renews it
        wait_for(lambda: time.monotonic() > ends)
    assert load.answers.keys() == {CANDIDATE}


def test_a_mesh_that_stays_away_gives_all_traffic_back_to_the_stable_release(plane: Plane) -> None:
    with Load(plane, DOMAIN) as load:
        plane.kill_mesh()
        wait_for(lambda: load.answers[STABLE] > 0, 3 * LEASE)
        load.wait_for_more(20)  # what was under way
        candidate = load.answers[CANDIDATE]
        load.wait_for_more(50)
        assert load.answers[CANDIDATE] == candidate
        plane.start_mesh()
        wait_for(lambda: load.answers[CANDIDATE] > candidate)
    assert load.failed == {}


def test_a_mesh_that_hung_longer_than_the_lease_gives_the_weights_back(plane: Plane) -> None:
    assert plane.mesh is not None
    plane.wait_programmed("productpage")
    plane.mesh.send_signal(signal.SIGSTOP)
    try:
        wait_for(lambda: plane.ask() == STABLE, 3 * LEASE)
    finally:
        plane.mesh.send_signal(signal.SIGCONT)
    wait_for(lambda: plane.ask() == CANDIDATE)
