"""Rollouts and environments in a real API server: columns, validation, who may speak, patches and deletions."""

from __future__ import annotations

import json
import re
import shlex
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from delivery.adapters.objects_kubernetes import KubernetesObjects
from delivery.adapters.platform_kubernetes.api import Api
from delivery.adapters.platform_kubernetes.connection import connect
from delivery.controller.objects import Key
from delivery.controller.reconcile import Controller
from delivery.rollouts.model import Pause, SetWeight, Strategy
from tests.fakes.background import wait_for
from tests.fakes.world import FakeWorld
from tests.kubernetes.connection import Connection, KubectlFailed

ROOT = Path(__file__).parents[2]
CRDS, DOCS = ROOT / "kustomize" / "base" / "crds", ROOT / "docs"


@pytest.fixture(scope="module")
def kinds(cluster: Connection) -> Connection:
    cluster.kubectl("apply", "--server-side", "-k", str(CRDS))
    cluster.kubectl(
        "wait", "--for=condition=Established", "crd/rollouts.colorlane.dev", "crd/environments.colorlane.dev"
    )
    return cluster


class Scene:
    """A shop in memory whose rollout waits for an approval, shown in a real cluster by a running controller."""

    def __init__(self, cluster: Connection, namespace: str) -> None:
        self.cluster, self.namespace = cluster, namespace
        self.shop = FakeWorld(Strategy(steps=(SetWeight(10), Pause(), SetWeight(100))))
        self.shop.forge.push("main", "c1", page="one")
        self.shop.settle(5)
        self.shop.forge.push("main", "c2", page="two")
        self.shop.forge.push("alice", "c3", page="three")
        self.shop.settle(5)
        self.controller = self.started()

    def started(self) -> Controller:
        objects = KubernetesObjects(Api(connect(str(self.cluster.kubeconfig))), Key)
        controller = Controller(self.shop.world, objects, lambda project: self.namespace)
        self.thread = threading.Thread(target=controller.run)
        self.thread.start()
        return controller

    def stop(self) -> None:
        self.controller.stop()
        self.thread.join(20)

    def kubectl(self, *words: str) -> str:
        return self.cluster.kubectl("-n", self.namespace, *words)

    def phase(self) -> str:
        self.shop.settle(1)
        return self.kubectl("get", "rollouts", "shop.2.page", "--ignore-not-found", "-o", "jsonpath={.status.phase}")


@pytest.fixture
def scene(kinds: Connection, namespace: str) -> Iterator[Scene]:
    made = Scene(kinds, namespace)
    try:
        wait_for("the rollout's object", lambda: made.phase() == "progressing")
        yield made
    finally:
        made.stop()


def test_kubectl_get_tells_the_story(scene):
    lines = scene.kubectl("get", "rollouts").splitlines()
    assert lines[0].split() == [
        "NAME",
        "SERVICE",
        "ENVIRONMENT",
        "PHASE",
        "STEP",
        "WEIGHT",
        "CANDIDATE",
        "MESSAGE",
        "AGE",
    ]
    waiting = next(line for line in lines if line.startswith("shop.2.page"))
    assert waiting.split()[:6] == ["shop.2.page", "page", "production", "progressing", "2/3", "10"]
    assert "waits for an approval" in waiting
    alice = next(line for line in scene.kubectl("get", "environments").splitlines() if line.startswith("alice"))
    assert alice.split()[:5] == ["alice", "alice", "alice", "active", "page"]
    assert "http://alice.shop." in alice


def test_an_approval_by_patch_promotes_and_leaves_events(scene):
    operation = {"do": "approve", "by": _me(scene), "reason": "fine", "step": 2}
    patch = json.dumps({"spec": {"operation": operation}})
    scene.kubectl("patch", "rollout", "shop.2.page", "--type=merge", "-p", patch)
    wait_for("the promotion", lambda: scene.phase() == "promoted")
    scene.kubectl("wait", "--for=condition=Promoted", "rollout/shop.2.page", "--timeout=10s")
    told = scene.kubectl("get", "events", "-o", "jsonpath={range .items[*]}{.reason}{' '}{.message}{'\\n'}{end}")
    assert "RolloutApproved step 2 approved: fine" in told


def test_nobody_speaks_in_anothers_name(scene):
    operation = '{"spec":{"operation":{"do":"approve","by":"somebody-else"}}}'
    with pytest.raises(KubectlFailed, match="must be your own user name"):
        scene.kubectl("patch", "rollout", "shop.2.page", "--type=merge", "-p", operation)
    with pytest.raises(KubectlFailed, match="must be your own user name"):
        scene.kubectl("annotate", "rollout", "shop.2.page", "colorlane.dev/operation=abort", "colorlane.dev/by=else")
    assert scene.phase() == "progressing"


def test_nobody_changes_anothers_words(scene):
    """Anna's question waits while no controller works; somebody else may take it away, and change nothing of it."""
    scene.stop()
    notes = ("colorlane.dev/operation=extend", f"colorlane.dev/by={_me(scene)}", "colorlane.dev/for=1h")
    scene.kubectl("annotate", "environment", "alice", *notes)
    scene.kubectl("create", "rolebinding", "eve", "--clusterrole=colorlane-operator", "--user=eve")
    for change in ("colorlane.dev/for=700d", "colorlane.dev/reason=because", "colorlane.dev/operation=other"):
        with pytest.raises(KubectlFailed, match="must be your own user name"):
            scene.kubectl("--as=eve", "annotate", "--overwrite", "environment", "alice", change)
    scene.kubectl("--as=eve", "annotate", "environment", "alice", "eves=own")
    scene.kubectl("--as=eve", "annotate", "environment", "alice", "colorlane.dev/operation-", "colorlane.dev/by-")


@pytest.mark.parametrize(
    ("patch", "words"),
    [
        ('{"spec":{"operation":{"do":"explode","by":"x"}}}', "Unsupported value"),
        ('{"spec":{"operation":{"do":"approve"}}}', "by: Required value"),
        ('{"spec":{"candidate":"other"}}', "never changes what it releases"),
        ('{"spec":{"operation":{"do":"abort","by":"x","step":2}}}', "step belongs to approve and reject only"),
    ],
)
def test_a_malformed_question_is_refused_with_its_field(scene, patch, words):
    with pytest.raises(KubectlFailed, match=words):
        scene.kubectl("patch", "rollout", "shop.2.page", "--type=merge", "-p", patch)


def test_deleting_an_environment_ends_it_and_then_the_object_goes(scene):
    scene.kubectl("delete", "environment", "alice", "--wait=false")
    rows = scene.shop.store.environments
    wait_for("the end of alice", lambda: scene.phase() and not rows.find(project="shop", name="alice"))
    scene.kubectl("wait", "--for=delete", "environment/alice", "--timeout=20s")


def test_a_restarted_api_server_and_a_second_controller_change_nothing(scene, own_cluster):
    other = scene.started()
    own_cluster.restart_apiserver()
    scene.kubectl(
        "annotate", "rollout", "shop.2.page", "colorlane.dev/operation=abort", f"colorlane.dev/by={_me(scene)}"
    )
    wait_for("the rollback", lambda: scene.phase() == "rolled_back")
    other.stop()
    row = scene.shop.store.rollouts.get("shop.2.page")
    assert [command.verb for command in row.commands] == ["abort"]


def test_the_page_says_what_works(scene):
    """Every command of docs/kubernetes-resources.md, on the shop instead of the bookshop."""
    scene.kubectl(
        "annotate", "rollout", "shop.2.page", "colorlane.dev/operation=pause", f"colorlane.dev/by={_me(scene)}"
    )
    wait_for("the pause", lambda: scene.phase() == "paused")
    scene.kubectl(
        "annotate", "rollout", "shop.2.page", "colorlane.dev/operation=resume", f"colorlane.dev/by={_me(scene)}"
    )
    wait_for("the resumption", lambda: scene.phase() == "progressing")
    said = (DOCS / "kubernetes-resources.md").read_text().replace("bookshop.2.reviews", "shop.2.page")
    said = (
        said.replace('"step": 3', '"step": 2')
        .replace('"anna"', f'"{_me(scene)}"')
        .replace("by=anna", f"by={_me(scene)}")
    )
    said = said.replace("bookshop", scene.namespace)
    commands = [line for block in re.findall(r"```bash\n(.*?)```", said, re.S) for line in _joined(block)]
    assert len(commands) == 6
    for command in commands:
        if "annotate" in command:
            assert scene.phase() in ("promoting", "promoted")  # the page's next example has nothing to stop any more
        if "Promoted" in command:
            continue
        scene.kubectl(*shlex.split(command)[1:])
        if "approve" in command:
            wait_for("the promotion", lambda: scene.phase() == "promoted")
    scene.kubectl("wait", "--for=condition=Promoted", "rollout/shop.2.page", "--timeout=10s")


def _joined(block: str) -> list[str]:
    return [line for line in block.replace("\\\n", " ").splitlines() if line.startswith("kubectl ")]


def _me(scene: Scene) -> str:
    return scene.cluster.kubectl("auth", "whoami", "-o", "jsonpath={.status.userInfo.username}")
