"""The builds' contract, in memory and on our own pipelines with a real repository; then what only the latter does."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from delivery.adapters.builds_pipelines import PipelineBuilds
from delivery.errors import NotFound, Rejected
from delivery.ports.builds import BuildOutcome, Builds
from pipelines.runs import JobState
from tests.fakes.builds import FakeBuilds
from tests.fakes.forge import FakeForge
from tests.fakes.repositories import Workspace, git

SPEC = """\
entry: page
services:
  page: {build: {command: "! grep -q red text"}}
  api: {build: {command: "! grep -q red text"}}
environments:
  production: {branch: main, strategy: slow}
  preview: {branches: ["[!w]*"], auto_stop_in: 1h}
strategies:
  slow: {steps: [{setWeight: 10}, {pause: {}}]}
"""
MANIFEST = """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: NAME}
spec:
  selector: {matchLabels: {app: NAME}}
  template:
    metadata: {labels: {app: NAME}}
    spec: {containers: [{name: app, image: NAME, command: [x], ports: [{name: http, containerPort: 9080}]}]}
---
apiVersion: v1
kind: Service
metadata: {name: NAME}
spec: {selector: {app: NAME}, ports: [{port: 9080, targetPort: http}]}
"""


@dataclass
class Side:
    """One side of the port. `push(branch, service=content)` commits on top of the branch, or of main."""

    builds: Builds
    repository: Path
    push: Callable[..., str]
    logs: Path

    def build(self, revision: str, service: str, keep_going: Callable[[], bool] = lambda: True) -> BuildOutcome:
        plan = self.builds.plan(self.repository, "shop", "main", revision, "main")
        key = next(each.key for each in plan.services if each.name == service)
        log = self.logs / f"{uuid.uuid4().hex}.log"
        return self.builds.build(self.repository, revision, service, key, log, keep_going)


@pytest.fixture(params=["memory", "pipelines"])
def side(request: pytest.FixtureRequest, tmp_path: Path) -> Side:
    return memory(tmp_path) if request.param == "memory" else real(tmp_path)


def memory(place: Path) -> Side:
    forge = FakeForge()
    return Side(FakeBuilds(forge), place, lambda branch, **files: forge.push(branch, uuid.uuid4().hex, **files), place)


def real(place: Path) -> Side:
    bare = place / "shop.git"
    bare.mkdir()
    git(bare, "init", "--quiet", "--bare", "--initial-branch=main")
    work = Workspace(place / "work", str(bare))
    manifests = {f"k8s__{name}.yaml": MANIFEST.replace("NAME", name) for name in ("page", "api")}
    kustomization = {"k8s__kustomization.yaml": "resources: [page.yaml, api.yaml]\n"}

    def push(branch: str, **services: str) -> str:
        known = git(work.path, "branch", "--format=%(refname:short)").split()
        if branch not in known and known:
            git(work.path, "checkout", "--quiet", "main")
        work.branch(branch) if branch not in known else git(work.path, "checkout", "--quiet", branch)
        files = {f"services__{name}__text": text for name, text in services.items()}
        spec = SPEC if "invalid" not in services.values() else SPEC.replace("entry: page", "entry: pge")
        revision = work.commit(**{"colorlane.yaml": spec}, **manifests, **kustomization, **files)
        work.push(branch)
        return revision

    return Side(PipelineBuilds(place / "state"), bare, push, place / "logs")


def names(side: Side, branch: str, revision: str) -> list[str]:
    plan = side.builds.plan(side.repository, "shop", branch, revision, "main")
    return sorted(service.name for service in plan.services if service.changed)


def test_the_default_branch_goes_to_production(side: Side) -> None:
    plan = side.builds.plan(side.repository, "shop", "main", side.push("main", page="1", api="1"), "main")
    assert plan.entry == "page"
    assert plan.target is not None
    assert plan.target.name == "production"
    assert sorted(service.name for service in plan.services) == ["api", "page"]
    assert all(service.reason and service.key for service in plan.services)


def test_a_preview_has_what_differs_from_where_it_left_main(side: Side) -> None:
    side.push("main", page="1", api="1")
    alice = side.push("alice", api="2")
    side.push("main", page="3")
    plan = side.builds.plan(side.repository, "shop", "alice", alice, "main")
    assert plan.target is not None
    assert (plan.target.name, plan.target.auto_stop) == ("preview", 3600.0)
    assert names(side, "alice", alice) == ["api"]
    assert names(side, "alice", side.push("alice", api="1")) == []


def test_a_branch_nobody_takes(side: Side) -> None:
    side.push("main", page="1", api="1")
    assert side.builds.plan(side.repository, "shop", "wip/x", side.push("wip/x", api="2"), "main").target is None


def test_target_agrees_with_plan(side: Side) -> None:
    revision = side.push("main", page="1", api="1")
    plan = side.builds.plan(side.repository, "shop", "main", revision, "main")
    assert side.builds.target(side.repository, "main", revision) == (plan.entry, plan.target)


def test_a_wrong_spec_is_rejected(side: Side) -> None:
    with pytest.raises(Rejected, match=r"colorlane\.yaml:"):
        side.builds.plan(side.repository, "shop", "main", side.push("main", page="invalid", api="1"), "main")


def test_equal_content_gives_one_key_and_one_artifact(side: Side) -> None:
    first = side.push("main", page="1", api="1")
    second = side.push("main", page="2")
    assert side.build(first, "api").artifact == side.build(second, "api").artifact
    assert side.build(first, "page").artifact != side.build(second, "page").artifact


def test_a_good_build_leaves_an_artifact_and_a_red_one_a_message(side: Side) -> None:
    revision = side.push("main", page="red", api="1")
    good, red = side.build(revision, "api"), side.build(revision, "page")
    assert (good.state, side.builds.has(good.artifact)) == (JobState.SUCCEEDED, True)
    assert (red.state, red.artifact, bool(red.message)) == (JobState.FAILED, "", True)


def test_a_build_that_may_not_go_on_is_canceled(side: Side) -> None:
    revision = side.push("main", page="1", api="1")
    assert side.build(revision, "api", keep_going=lambda: False).state is JobState.CANCELED


def test_rendered_manifests_name_the_artifact(side: Side) -> None:
    revision = side.push("main", page="1", api="1")
    artifact = side.build(revision, "api").artifact
    found = side.builds.render(side.repository, revision, "shop", {"api": artifact})
    assert set(found) == {"api"}
    assert {manifest["kind"] for manifest in found["api"]} == {"Deployment", "Service"}
    assert artifact in repr(found["api"])
    assert found == side.builds.render(side.repository, revision, "shop", {"api": artifact})


def test_commits_and_ancestry(side: Side) -> None:
    first = side.push("main", page="1", api="1")
    second = side.push("main", page="2")
    assert side.builds.commit(side.repository, first).revision == first
    assert side.builds.is_ancestor(side.repository, first, second)
    assert not side.builds.is_ancestor(side.repository, second, first)
    assert not side.builds.is_ancestor(side.repository, first, "0" * 40)
    with pytest.raises(NotFound):
        side.builds.commit(side.repository, "0" * 40)


def test_collect_keeps_what_is_named(side: Side) -> None:
    artifact = side.build(side.push("main", page="1", api="1"), "api").artifact
    side.builds.collect(frozenset({artifact}))
    assert side.builds.has(artifact)


def test_all_problems_of_spec_and_manifests_reach_the_user(tmp_path: Path) -> None:
    side = real(tmp_path)
    revision = side.push("main", page="1", api="1")
    side.builds.render(side.repository, revision, "shop", {"api": f"sha256:{'0' * 64}"})
    with pytest.raises(Rejected) as caught:
        side.builds.render(side.repository, revision, "shop", {"x": f"sha256:{'0' * 64}", "y": f"sha256:{'0' * 64}"})
    assert caught.value.message.count("no Deployment is named") == 2


def test_a_copied_spec_with_another_project_name_is_rejected(tmp_path: Path) -> None:
    side = real(tmp_path)
    side.push("main", page="1", api="1")
    (tmp_path / "work" / "colorlane.yaml").write_text(f"project: shop\n{SPEC}")
    git(tmp_path / "work", "commit", "--quiet", "-am", "name it")
    git(tmp_path / "work", "push", "--quiet", "origin", "main")
    revision = git(tmp_path / "work", "rev-parse", "HEAD")
    with pytest.raises(Rejected, match="registered as 'other'"):
        side.builds.plan(side.repository, "other", "main", revision, "main")


def test_a_changed_manifest_changes_its_service_only(tmp_path: Path) -> None:
    side = real(tmp_path)
    side.push("main", page="1", api="1")
    side.push("alice", page="1")
    work = tmp_path / "work"
    file = work / "k8s" / "api.yaml"
    file.write_text(file.read_text().replace("command: [x]", "command: [y]"))
    git(work, "commit", "--quiet", "-am", "another command")
    git(work, "push", "--quiet", "origin", "alice")
    assert names(side, "alice", git(work, "rev-parse", "HEAD")) == ["api"]
