"""The controller on a whole world in memory: what rows say is shown, what objects ask is carried out."""

from __future__ import annotations

import pytest

from delivery.controller.changes import UNKNOWN
from delivery.controller.objects import ENVIRONMENT, ROLLOUT, Key
from delivery.controller.reconcile import Controller
from delivery.environments import EnvironmentState
from delivery.errors import NotFound
from delivery.rollouts.model import Pause, Phase, SetWeight, Strategy
from tests.fakes.objects import FakeObjects
from tests.fakes.world import FakeWorld


class Scene:
    """A shop whose second version waits for an approval, and a controller that shows it."""

    def __init__(self, strategy: Strategy = Strategy(steps=(SetWeight(10), Pause(), SetWeight(100)))) -> None:
        self.shop = FakeWorld(strategy)
        self.objects = FakeObjects("shop")
        self.controller = Controller(self.shop.world, self.objects, lambda project: project)
        self.shop.forge.push("main", "c1", page="one")
        self.shop.settle(5)
        self.shop.forge.push("main", "c2", page="two")
        self.shop.settle(5)
        self.look()

    def look(self) -> None:
        self.controller.work()
        self.controller.work()

    @property
    def rollout(self) -> Key:
        (row,) = self.shop.store.rollouts.find(phase=Phase.PROGRESSING)
        return next(key for key, each in self.objects.held.items() if each["spec"]["id"] == row.id)

    def phase(self, key: Key) -> str:
        return str(self.objects.held[key]["status"]["phase"])

    def ask(self, key: Key, **operation: object) -> None:
        self.objects.patch(key, {"spec": {"operation": operation}})


@pytest.fixture
def scene() -> Scene:
    return Scene()


def test_a_rollout_tells_its_story(scene):
    shown = scene.objects.held[scene.rollout]
    assert shown["spec"] | {"id": "", "artifact": "", "candidate": "", "stable": ""} == {
        "id": "",
        "project": "shop",
        "service": "page",
        "environment": "production",
        "candidate": "",
        "stable": "",
        "revision": "c2",
        "ref": "refs/heads/main",
        "artifact": "",
    }
    status = shown["status"]
    assert (status["phase"], status["step"], status["weight"]) == ("progressing", "2/3", 10)
    assert status["doing"] == "pause until approved"
    conditions = {each["type"]: each["status"] for each in status["conditions"]}
    assert conditions == {"AwaitingApproval": "True", "Ended": "False", "Promoted": "False", "RolledBack": "False"}


def test_nothing_is_written_where_nothing_changed(scene):
    before = scene.objects.writes
    scene.look()
    assert scene.objects.writes == before


def test_an_approval_by_patch_promotes(scene):
    key = scene.rollout
    scene.ask(key, do="approve", by="anna", reason="looks good", step=2)
    scene.look()
    said = scene.objects.held[key]["status"]["operation"]
    assert (said["do"], said["by"], said["outcome"]) == ("approve", "anna", "done")
    assert "operation" not in scene.objects.held[key]["spec"]
    (approval,) = scene.shop.store.rollouts.get(scene.objects.held[key]["spec"]["id"]).approvals
    assert (approval.approver, approval.comment, approval.step) == ("anna", "looks good", 1)
    scene.shop.settle(10)
    scene.look()
    assert scene.phase(key) == "promoted"
    assert {each["type"] for each in scene.objects.held[key]["status"]["conditions"] if each["status"] == "True"} == {
        "Ended",
        "Promoted",
    }


def test_annotations_ask_the_same(scene):
    key = scene.rollout
    notes = {"colorlane.dev/operation": "abort", "colorlane.dev/by": "anna", "colorlane.dev/reason": "no"}
    scene.objects.patch(key, {"metadata": {"annotations": notes}})
    scene.look()
    assert scene.objects.held[key]["metadata"]["annotations"] == {}
    scene.shop.settle(10)
    scene.look()
    assert scene.phase(key) == "rolled_back"
    warnings = [message for told, _, message, warning in scene.objects.events if told == key and warning]
    assert any(message.startswith("rolling_back") for message in warnings)


def test_the_same_can_be_asked_twice(scene):
    key = scene.rollout
    for _ in range(2):
        scene.ask(key, do="pause", by="anna")
        scene.look()
        scene.shop.settle(1)
        scene.look()
        assert scene.phase(key) == "paused"
        scene.ask(key, do="resume", by="anna")
        scene.look()
        scene.shop.settle(1)
        scene.look()
        assert scene.phase(key) == "progressing"


@pytest.mark.parametrize(
    ("operation", "words"),
    [
        ({"do": "approve", "by": "anna", "step": 1}, "step 1 does not wait"),
        ({"do": "approve", "by": "anna", "revision": "c1"}, "c1"),
        ({"do": "retry", "by": "anna"}, "under way"),
    ],
)
def test_what_cannot_be_done_says_why_and_changes_nothing(scene, operation, words):
    key = scene.rollout
    scene.ask(key, **operation)
    scene.look()
    said = scene.objects.held[key]["status"]["operation"]
    assert said["outcome"] == "refused"
    assert words in said["message"]
    assert scene.phase(key) == "progressing"


def test_an_object_in_another_namespace_has_no_say(scene):
    scene.shop.forge.push("alice", "c3", page="three")
    scene.shop.settle(5)
    scene.look()
    own = scene.rollout
    scene.objects.namespaces.add("other")
    spec = scene.objects.held[own]["spec"] | {"operation": {"do": "promote", "by": "eve"}}
    key = Key(ROLLOUT, "other", own.name)
    scene.objects.create(key, {"metadata": {"name": own.name}, "spec": spec})
    alice = Key(ENVIRONMENT, "other", "alice")
    body = {"metadata": {"name": "alice", "finalizers": ["eve/holds"]}, "spec": {"id": "shop/alice"}}
    scene.objects.create(alice, body)
    scene.objects.delete(alice)
    scene.look()
    assert scene.objects.held[key]["status"]["operation"]["outcome"] == "refused"
    assert scene.phase(own) == "progressing"
    assert not scene.shop.store.rollouts.get(spec["id"]).commands
    assert scene.shop.store.environments.get("shop/alice").state is EnvironmentState.ACTIVE
    scene.ask(own, do="pause", by="anna")
    scene.look()
    assert own in {told for told, *_ in scene.objects.events}
    assert key not in {told for told, *_ in scene.objects.events}


def test_a_question_seen_again_is_answered_once():
    """The watch is late: the object is still seen as it was before it was answered, at the next step already."""
    scene = Scene(Strategy(steps=(SetWeight(10), Pause(), SetWeight(50), Pause(), SetWeight(100))))
    key = scene.rollout
    notes = {"colorlane.dev/operation": "approve", "colorlane.dev/by": "anna"}
    scene.objects.patch(key, {"metadata": {"annotations": notes}})
    late = scene.objects.present()
    scene.look()
    scene.shop.settle(5)
    row = scene.shop.store.rollouts.get(scene.objects.held[key]["spec"]["id"])
    assert (row.step, len(row.approvals)) == (3, 1)
    for controller in (scene.controller, Controller(scene.shop.world, scene.objects, lambda project: project)):
        present, scene.objects.present = scene.objects.present, lambda: late
        controller.work()
        scene.objects.present = present
        scene.shop.settle(5)
        assert len(scene.shop.store.rollouts.get(row.id).approvals) == 1


def test_an_annotation_without_a_name_is_refused(scene):
    key = scene.rollout
    scene.objects.patch(key, {"metadata": {"annotations": {"colorlane.dev/operation": "promote"}}})
    scene.look()
    assert "colorlane.dev/by" in scene.objects.held[key]["status"]["operation"]["message"]
    assert scene.phase(key) == "progressing"


def test_a_retry_is_a_rollout_of_its_own(scene):
    key = scene.rollout
    scene.ask(key, do="abort", by="anna")
    scene.look()
    scene.shop.settle(10)
    scene.ask(key, do="retry", by="anna")
    scene.look()
    scene.shop.settle(5)
    scene.look()
    assert scene.rollout.name == f"{key.name}.retry-1"


def test_deleting_a_preview_deletes_it_and_then_the_object(scene):
    scene.shop.forge.push("alice", "c3", page="three")
    scene.shop.settle(5)
    scene.look()
    key = Key(ENVIRONMENT, "shop", "alice")
    scene.objects.delete(key)
    scene.look()
    assert scene.shop.store.environments.get("shop/alice").state is EnvironmentState.DELETING
    assert scene.objects.held[key]["status"]["state"] == "deleting"
    scene.shop.settle(10)
    scene.look()
    assert key not in scene.objects.held
    with pytest.raises(NotFound):
        scene.shop.store.environments.get("shop/alice")


def test_an_extension_moves_the_end(scene):
    scene.shop.forge.push("alice", "c3", page="three")
    scene.shop.settle(5)
    scene.look()
    key = Key(ENVIRONMENT, "shop", "alice")
    before = scene.shop.store.environments.get("shop/alice").expires_at
    scene.ask(key, do="extend", by="anna", **{"for": "2d"})
    scene.look()
    assert scene.shop.store.environments.get("shop/alice").expires_at >= before + 80_000
    assert scene.objects.held[key]["status"]["operation"]["outcome"] == "done"


def test_deleted_objects_come_back_and_production_stays(scene):
    scene.objects.delete(Key(ENVIRONMENT, "shop", "production"))
    key = scene.rollout
    scene.objects.delete(key)
    scene.look()
    assert scene.phase(key) == "progressing"
    assert scene.objects.held[Key(ENVIRONMENT, "shop", "production")]["status"]["state"] == "active"


def test_an_object_made_by_hand_is_told_that_nothing_comes_of_it(scene):
    key = Key(ROLLOUT, "shop", "mine")
    spec = {"id": "mine", "project": "shop", "service": "page", "operation": {"do": "promote", "by": "anna"}}
    scene.objects.create(key, {"metadata": {"name": "mine"}, "spec": spec})
    scene.look()
    status = scene.objects.held[key]["status"]
    assert status["message"] == UNKNOWN
    assert status["operation"]["outcome"] == "refused"


def test_a_project_without_a_namespace_holds_up_nobody(scene):
    scene.objects.namespaces.clear()
    scene.shop.forge.push("alice", "c3", page="three")
    scene.shop.settle(5)
    scene.look()
    assert Key(ENVIRONMENT, "shop", "alice") not in scene.objects.held
    scene.objects.namespaces.add("shop")
    scene.look()
    assert scene.objects.held[Key(ENVIRONMENT, "shop", "alice")]["status"]["url"]


def test_only_the_newest_ended_rollouts_stay(scene):
    scene.ask(scene.rollout, do="promote", by="anna")
    scene.look()
    for number in range(8):
        scene.shop.settle(8)
        scene.shop.forge.push("main", f"d{number}", page=f"text {number}")
        scene.shop.settle(3)
        scene.look()
        scene.ask(scene.rollout, do="promote", by="anna")
        scene.look()
    scene.shop.settle(8)
    scene.look()
    shown = [key for key in scene.objects.held if key.kind == ROLLOUT]
    assert len(shown) == 5


def test_of_a_removed_project_nothing_is_shown(scene):
    """Its rollouts stay in the database as history; on a real cluster their objects stayed in the namespace."""
    assert scene.objects.held
    scene.shop.store.projects.delete("shop")
    scene.look()
    assert {key.kind for key in scene.objects.held} == {ENVIRONMENT}  # environments are the reaper's
