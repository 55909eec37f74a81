"""The contracts of traffic and metrics, on the mesh process over HTTP and in memory."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import pytest

from delivery.adapters.metrics_mesh import MeshMetrics
from delivery.adapters.traffic_mesh import MeshTraffic
from delivery.errors import Conflict, Rejected, Transient
from delivery.intents import Intent
from tests.fakes.background import free_port, running_mesh
from tests.fakes.metrics import FakeMetrics
from tests.fakes.traffic import FakeTraffic

NAMES = itertools.count()


@pytest.fixture(scope="module")
def mesh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with running_mesh(tmp_path_factory.mktemp("mesh")) as url:
        yield url


@pytest.fixture(params=["memory", "mesh"])
def traffic(request: pytest.FixtureRequest) -> Any:
    return FakeTraffic() if request.param == "memory" else MeshTraffic(request.getfixturevalue("mesh"))


@pytest.fixture
def project() -> str:
    """A name no other test has used: the mesh remembers."""
    return f"shop{next(NAMES)}"


def intent(project: str, generation: int, weights: dict[str, int], color: str = "") -> Intent:
    return Intent(project, "reviews", color, generation, next(iter(weights)), weights)


@pytest.mark.parametrize("color", ["", "alice"])
def test_newest_intent_counts_and_an_older_one_is_refused(traffic: Any, project: str, color: str) -> None:
    assert traffic.state(project, "reviews", color).generation == 0
    assert traffic.state(project, "reviews", color).withdrawn
    traffic.set_intent(intent(project, 1001, {"a": 100}, color))
    traffic.set_intent(intent(project, 1002, {"a": 90, "b": 10}, color))
    traffic.set_intent(intent(project, 1002, {"a": 90, "b": 10}, color))
    with pytest.raises(Conflict):
        traffic.set_intent(intent(project, 1001, {"a": 100}, color))
    state = traffic.state(project, "reviews", color)
    assert (state.generation, state.programmed, state.withdrawn) == (1002, True, False)


def test_withdrawn_service_is_remembered_by_its_generation(traffic: Any, project: str) -> None:
    traffic.set_intent(intent(project, 1001, {"a": 100}))
    traffic.remove_intent(project, "reviews", "", 2000)
    traffic.remove_intent(project, "reviews", "", 2000)
    state = traffic.state(project, "reviews", "")
    assert state.withdrawn
    assert state.programmed
    with pytest.raises(Conflict):
        traffic.set_intent(intent(project, 1999, {"a": 100}))
    with pytest.raises(Conflict):
        traffic.remove_intent(project, "reviews", "", 1999)
    traffic.set_intent(intent(project, 3001, {"b": 100}))
    assert not traffic.state(project, "reviews", "").withdrawn


def test_lanes_do_not_know_each_other(traffic: Any, project: str) -> None:
    traffic.set_intent(intent(project, 5, {"a": 100}))
    traffic.set_intent(intent(project, 1, {"b": 100}, "alice"))
    assert traffic.state(project, "reviews", "").generation == 5
    assert traffic.state(project, "reviews", "alice").generation == 1


def test_projects_and_environments_come_and_go_and_again(traffic: Any, project: str) -> None:
    for _ in range(2):
        traffic.put_project(project, f"{project}.localhost", "page", 9080)
        traffic.put_environment(project, "alice", "", "fallback")
    traffic.set_intent(intent(project, 1, {"a": 100}))
    for _ in range(2):
        traffic.remove_environment(project, "alice")
        traffic.remove_project(project)
    assert traffic.state(project, "reviews", "").generation == 0, "its intents go with a project"


def test_mesh_refuses_what_makes_no_sense_with_its_reason(mesh: str, project: str) -> None:
    with pytest.raises(Rejected, match="weights"):
        MeshTraffic(mesh).set_intent(intent(project, 1, {"a": 90}))


def test_what_was_never_measured_is_empty_not_an_error(mesh: str, project: str) -> None:
    assert MeshMetrics(mesh).read(project, "reviews", "") == {}
    assert FakeMetrics().read(project, "reviews", "") == {}


def test_mesh_that_is_away_is_transient() -> None:
    nowhere = f"http://127.0.0.1:{free_port()}"
    with pytest.raises(Transient):
        MeshTraffic(nowhere).state("shop", "reviews", "")
    with pytest.raises(Transient):
        MeshMetrics(nowhere).read("shop", "reviews", "")
