"""Several replicas of the mesh: real Envoys spread over them, restarts one by one and kills under load."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.integration.mesh.controlplane import DOMAIN, NAMESPACE, Load
from tests.integration.mesh.dataplane import wait_for
from tests.integration.mesh.replicas import Mesh, Replicas, running_replicas

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Replicas]:
    """productpage v1, v2 -> reviews v1: a gateway and three sidecars."""
    folder: Path = tmp_path_factory.mktemp("replicas")
    with running_replicas(folder) as plane:
        plane.start_replica("reviews", "v1")
        plane.start_replica("productpage", "v1", calls="http://reviews:9080/")
        plane.start_replica("productpage", "v2", calls="http://reviews:9080/")
        plane.weights("reviews", {"v1": 100}, "v1")
        plane.weights("productpage", {"v1": 50, "v2": 50}, "v1")
        plane.wait_programmed("productpage")
        yield plane


@pytest.fixture
def two(plane: Replicas) -> Replicas:
    """Two replicas, both known to each other, all four proxies connected."""
    while len(plane.meshes) < 2:
        plane.start_one()
    wait_for(lambda: all(knows(plane, mesh) for mesh in plane.meshes))
    wait_for(lambda: len(plane.call("GET", "proxies")["proxies"]) == 4)
    return plane


def knows(plane: Replicas, mesh: Mesh) -> bool:
    return len(plane.ask_mesh(mesh, "GET", "status").json().get("replicas", [])) == len(plane.meshes)


def requests(plane: Replicas, version: str) -> int | None:
    """Requests that a version has answered; None while the replica that counts is being replaced."""
    for mesh in list(plane.meshes):
        try:
            answer = plane.ask_mesh(mesh, "GET", f"telemetry/{NAMESPACE}/productpage/-")
        except httpx.TransportError:
            continue
        if answer.status_code == 200:
            return int(answer.json()["versions"].get(version, {"requests": 0})["requests"])
        assert answer.status_code == 503, answer.text
    return None


def test_a_step_is_done_when_the_proxies_of_all_replicas_have_it(two: Replicas) -> None:
    one, other = two.meshes
    spread = {name for mesh in two.meshes for name in two.proxies_of(mesh)}
    assert len(spread) == 4
    assert two.proxies_of(one)
    assert two.proxies_of(other)
    two.weights("productpage", {"v1": 70, "v2": 30}, "v1")
    two.wait_programmed("productpage")
    listed = two.call("GET", "proxies")["proxies"]
    assert len({each["replica"] for each in listed}) == 2
    assert two.call("GET", "status")["proxies"] == 4


def test_a_replica_that_hangs_is_waited_for_by_name(two: Replicas) -> None:
    one, other = two.meshes
    other.process.send_signal(signal.SIGSTOP)
    try:
        body = {"generation": two.generation + 1, "stable": "v1", "weights": {"v1": 60, "v2": 40}}
        two.generation += 1
        assert two.ask_mesh(one, "PUT", f"intents/{NAMESPACE}/productpage/-", body).status_code == 200
        seen = two.ask_mesh(one, "GET", f"intents/{NAMESPACE}/productpage/-").json()
        assert not seen["programmed"]
        assert any(line.startswith("mesh replica ") for line in seen["waiting_on"]), seen
    finally:
        other.process.send_signal(signal.SIGCONT)
    two.wait_programmed("productpage")


def test_a_killed_replicas_proxies_are_waited_for_until_they_are_back(two: Replicas) -> None:
    victim, survivor = two.meshes
    with Load(two, DOMAIN) as load:
        lost = two.proxies_of(victim)
        two.kill(victim)
        wait_for(lambda: two.proxies_of(survivor) >= lost)
        two.weights("productpage", {"v1": 20, "v2": 80}, "v1")
        two.wait_programmed("productpage")
        load.wait_for_more(30)
    assert load.failed == {}
    assert len(two.proxies_of(survivor)) == 4


def test_rolling_restart_under_load_fails_no_request_and_loses_no_weight(two: Replicas) -> None:
    counted: list[int] = []
    stop = threading.Event()

    def watch() -> None:
        while not stop.wait(0.2):
            count = requests(two, "v2")
            if count is not None:
                counted.append(count)

    watcher = threading.Thread(target=watch)
    watcher.start()
    with Load(two, DOMAIN) as load:
        for share in (10, 30, 60):
            old = two.meshes[0]
            two.start_one()  # side by side, then the old one goes
            two.weights("productpage", {"v1": 100 - share, "v2": share}, "v1")
            two.terminate(old)
            assert two.intent("productpage")["weights"] == {"v1": 100 - share, "v2": share}
            two.wait_programmed("productpage")
        load.wait_for_more(50)
    stop.set()
    watcher.join()
    assert load.failed == {}
    assert counted == sorted(counted), "a count never falls"
    answered = load.answers[200, "productpage@-=v2>reviews@-=v1"]
    assert answered > 0
    wait_for(lambda: (requests(two, "v2") or 0) >= answered)


def test_without_the_token_the_api_answers_health_only(two: Replicas) -> None:
    base = f"http://127.0.0.1:{two.meshes[0].http_port}"
    assert httpx.get(f"{base}/v1/proxies").status_code == 401
    assert httpx.get(f"{base}/internal/proxies").status_code == 401
    assert [httpx.get(f"{base}{path}").status_code for path in ("/healthz", "/readyz", "/metrics")] == [200] * 3
