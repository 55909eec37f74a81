"""The main job on the service of `docker-compose.yml`, run by a real engine: images, networks, volumes, checks."""

from __future__ import annotations

import os
import urllib.parse
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import httpx
import pytest

from delivery.demo.chapters import canary, chaos, first_push, preview, rollback
from delivery.demo.claims import Ledger
from delivery.demo.console import Teller
from delivery.demo.doors import wait_for
from delivery.demo.stage import PROJECT, Stage, version_at
from delivery.demo.workspace import Workspace
from tests.containers import engine
from tests.containers.composed import Composed
from tests.fakes.doors import PatientDoors

pytestmark = [pytest.mark.containers, pytest.mark.xdist_group("containers"), pytest.mark.timeout(2400)]
CHAPTERS = (first_push, preview, canary, chaos)
SWITCH = "COLORLANE_TEST_CONTAINERS"


@pytest.fixture(scope="module")
def service() -> Iterator[Composed]:
    """The whole service, up."""
    if os.environ.get(SWITCH) != "1":
        pytest.skip(f"takes minutes: {engine.REMEDY}")
    if reason := engine.missing():
        pytest.skip(reason)
    composed = Composed(f"colorlane-test-{os.getpid()}")
    composed.build()
    try:
        composed.up()
        yield composed
    finally:
        composed.down()


@pytest.fixture(scope="module")
def stage(service: Composed, tmp_path_factory: pytest.TempPathFactory) -> Stage:
    """The demo's stage with this service in the place of its own stack."""
    api = service.door(8000)
    doors = PatientDoors(api, service.token)
    project = doors.post("projects", name=PROJECT)
    remote = f"http://git:{service.token}@{urllib.parse.urlsplit(api).netloc}/git/{PROJECT}.git"
    directory = tmp_path_factory.mktemp("workspace")
    return Stage(
        stack=cast(Any, service),
        doors=doors,
        workspace=Workspace(directory / PROJECT, remote),
        teller=Teller(as_json=True),
        ledger=Ledger(),
        api=api,
        gateway=service.door(8080),
        host=str(project["domain"]),
        state_dir=Path("/var/lib/colorlane"),
    )


def test_every_container_runs_and_is_healthy(service: Composed) -> None:
    states = service.states()
    assert {state["State"] for state in states.values()} == {"running"}
    watched = {name for name, state in states.items() if state["Health"]}
    assert watched >= {"api", "mesh", "gateway", "redis", "postgres", "prometheus"}
    assert {states[name]["Health"] for name in watched} == {"healthy"}


def test_our_containers_have_no_more_rights_than_the_file_says(service: Composed) -> None:
    for name in ("api", "worker-control", "worker-build", "mesh", "agent", "gateway", "node"):
        container = service.inspected(name)
        assert container["Config"]["User"] == "10001:10001", name
        assert container["HostConfig"]["ReadonlyRootfs"], name
        status = Path(f"/proc/{container['State']['Pid']}/status").read_text()
        assert "CapEff:\t0000000000000000" in status, name
        assert "NoNewPrivs:\t1" in status, name


def test_the_api_asks_for_its_token(service: Composed) -> None:
    url = f"{service.door(8000)}/api/v1/projects"
    assert httpx.get(url).status_code == 401
    assert httpx.get(url, headers={"authorization": f"Bearer {service.token}"}).status_code == 200


def test_the_main_job_is_done_on_it(stage: Stage) -> None:
    for chapter in CHAPTERS:
        chapter.play(stage)
    assert [claim for claim in stage.ledger.claims if not claim.ok] == []
    assert len(stage.ledger.claims) >= 15


def test_a_deleted_branch_leaves_no_environment(stage: Stage) -> None:
    stage.workspace.delete_remote(preview.BRANCH)
    wait_for("the environment to go", lambda: stage.doors.environment(PROJECT, preview.BRANCH) is None, 60)
    _, answer = stage.interleaved([f"{preview.BRANCH}.{stage.host}"], 1)[0]
    assert answer.status == 200
    assert version_at(answer, preview.SERVICE)[0] == ""


def test_prometheus_scrapes_every_process_that_has_numbers(service: Composed) -> None:
    def up() -> bool:
        found = httpx.get(f"{service.door(9090)}/api/v1/targets").json()["data"]["activeTargets"]
        return {(one["labels"]["job"], one["health"]) for one in found} == {
            ("api", "up"), ("mesh", "up"), ("prometheus", "up"),
        }  # fmt: skip

    wait_for("all targets to be up", up, 60)


def test_what_was_delivered_survives_a_restart_of_everything(service: Composed, stage: Stage) -> None:
    before = {name: stage.stable_version(name) for name in ("reviews", "ratings", "details", "productpage")}
    service.compose("down", "--timeout", "20")
    service.up()
    stage.doors = PatientDoors(service.door(8000), service.token)
    stage.gateway = service.door(8080)
    assert {name: stage.stable_version(name) for name in before} == before

    def answers() -> bool:
        answer = stage.interleaved([stage.host], 1)[0][1]
        return answer.status == 200 and version_at(answer, "reviews") == ("", before["reviews"])

    wait_for("the page to answer as before", answers, 90)


def test_bad_versions_are_rolled_back(stage: Stage) -> None:
    """The slow one needs a machine on which requests are not slow anyway: else the gate cannot tell, and says so."""
    before = len(stage.ledger.claims)
    rollback.play(stage)
    assert [claim for claim in stage.ledger.claims[before:] if not claim.ok] == []
