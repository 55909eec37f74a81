"""The main job on Colorlane installed from `kustomize/`: every component and every service is a real pod.

Takes minutes, root and a Docker engine for the image: `python -m tests.containers.run -k installed`.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlsplit

import pytest

from delivery.demo.chapters import canary, first_push, preview, rollback
from delivery.demo.claims import Ledger
from delivery.demo.console import Teller
from delivery.demo.doors import Row
from delivery.demo.stage import PROJECT, Stage
from delivery.demo.workspace import Workspace
from tests.containers import engine
from tests.containers.composed import Composed
from tests.fakes.background import wait_for
from tests.fakes.doors import PatientDoors
from tests.kubernetes import installed, node
from tests.kubernetes.installed import Installed

pytestmark = [pytest.mark.containers, pytest.mark.xdist_group("kubernetes"), pytest.mark.timeout(2400)]
CHAPTERS = (first_push, preview, canary)
SWITCH = "COLORLANE_TEST_CONTAINERS"
PREVIEW = "colorlane.dev/color=alice"
KINDS = "deployments,replicasets,pods,services,configmaps,secrets,environments"


@pytest.fixture(scope="module")
def place(programs: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installed]:
    """Colorlane, installed and available."""
    if os.environ.get(SWITCH) != "1":
        pytest.skip(f"takes minutes: {engine.REMEDY}")
    if reason := engine.missing():
        pytest.skip(reason)
    if lacks := node.missing(programs):
        pytest.skip(f"no real node without {', '.join(lacks)}")
    Composed("unused").build()
    with installed.start(tmp_path_factory.mktemp("installed"), programs) as started:
        yield started


@pytest.fixture(scope="module")
def stage(place: Installed, tmp_path_factory: pytest.TempPathFactory) -> Stage:
    """The demo's stage with the cluster in the place of its own stack."""
    doors = PatientDoors(place.api, place.token)
    project = doors.post("projects", name=PROJECT)
    remote = f"http://git:{place.token}@{urlsplit(place.api).netloc}/git/{PROJECT}.git"
    directory = tmp_path_factory.mktemp("workspace")
    return Stage(
        stack=cast(Any, None),
        doors=doors,
        workspace=Workspace(directory / PROJECT, remote),
        teller=Teller(as_json=True),
        ledger=Ledger(),
        api=place.api,
        gateway=place.gateway,
        host=str(project["domain"]),
        state_dir=Path("/var/lib/colorlane"),
    )


def operate(place: Installed, rollout: str, **operation: Any) -> dict[str, Any]:
    """Patch a rollout as docs/kubernetes-resources.md says; return what the controller answers."""
    patch = json.dumps({"spec": {"operation": {"by": "admin", **operation}}})
    where = (f"--namespace={PROJECT}", "rollout", rollout)
    place.cluster.kubectl("patch", *where, "--type=merge", f"--patch={patch}")

    def answer() -> dict[str, Any] | None:
        told = place.cluster.get("rollout", rollout, PROJECT).get("status", {}).get("operation") or {}
        return dict(told) if told.get("do") == operation["do"] else None

    return wait_for("the controller's answer", answer)


def test_the_main_job_is_done_by_pods(place: Installed, stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """First push, a preview with a colour, a canary under load; the approval is given by kubectl."""

    def by_kubectl(_: Stage, row: Row) -> Row:
        answer = operate(place, row["id"], do="approve", step=row["step"] + 1, reason="looks good")
        assert answer["outcome"] == "done", answer
        return row

    monkeypatch.setattr(canary, "approve", by_kubectl)
    for chapter in CHAPTERS:
        chapter.play(stage)
    assert [claim for claim in stage.ledger.claims if not claim.ok] == []


def test_every_pod_of_a_shop_has_its_sidecar(place: Installed, stage: Stage) -> None:
    pods = place.cluster.get("pods", namespace=PROJECT)["items"]
    assert len(pods) >= 5
    for pod in pods:
        started = {one["name"] for one in pod["status"]["initContainerStatuses"]}
        assert {"colorlane-capture", "colorlane-proxy"} <= started


def test_a_restart_of_the_mesh_under_load_fails_no_request(place: Installed, stage: Stage) -> None:
    with stage.load() as load:
        place.kubectl("rollout", "restart", "deployment/colorlane-mesh")
        place.kubectl("rollout", "status", "deployment/colorlane-mesh", "--timeout=180s")
        ended = time.time()
        wait_for("some requests after it", lambda: len(load.since(ended)) > 300, 60)
    assert load.count(lambda answer: answer.failed) == 0, load.failures()


def test_bad_versions_are_rolled_back(stage: Stage) -> None:
    before = len(stage.ledger.claims)
    rollback.play(stage)
    assert [claim for claim in stage.ledger.claims[before:] if not claim.ok] == []


def test_a_deleted_environment_leaves_nothing(place: Installed, stage: Stage) -> None:
    place.cluster.kubectl("delete", "environment", preview.BRANCH, f"--namespace={PROJECT}", "--timeout=120s")
    assert stage.doors.environment(PROJECT, preview.BRANCH) is None
    wait_for(
        "nothing of it to be left",
        lambda: not place.cluster.get(KINDS, namespace=PROJECT, selector=PREVIEW)["items"],
        60,
    )


def test_nothing_was_evicted_and_nothing_restarted(place: Installed, stage: Stage) -> None:
    """Last: by now the kubelet has measured every pod several times."""
    for namespace in (installed.NAMESPACE, PROJECT):
        events = place.cluster.get("events", namespace=namespace)["items"]
        assert [one["message"] for one in events if one["reason"] in ("Evicted", "BackOff", "FailedCreate")] == []
        for pod in place.cluster.get("pods", namespace=namespace)["items"]:
            assert [one["restartCount"] for one in pod["status"]["containerStatuses"]] == [0], pod["metadata"]["name"]
