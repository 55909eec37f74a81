"""Builds on pipelines: targets, reasons, what a preview counts as changed, and errors in delivery's words."""

from __future__ import annotations

from pathlib import Path

import pytest

from delivery.adapters.builds_pipelines import PipelineBuilds
from delivery.errors import NotFound, Rejected
from delivery.rollouts.model import Analysis, Pause, SetWeight
from pipelines.artifacts import ArtifactStore
from pipelines.packaging import ImageOptions, ImagePackaging
from pipelines.runs import JobState
from tests.fakes.repositories import Workspace, git

SPEC = """
entry: page
services: {page: {}, reviews: {}}
environments:
  production: {branch: main, strategy: careful}
  preview: {branches: ["alice*"], auto_stop_in: 1h, fallback: strict}
strategies:
  careful: {steps: [{setWeight: 10}, {analysis: {max: 1m}}, {pause: {}}, {pause: {duration: 3s}}]}
"""


def manifests(name: str, text: str = "a") -> str:
    return f"""
apiVersion: apps/v1
kind: Deployment
metadata: {{name: {name}}}
spec:
  selector: {{matchLabels: {{app: {name}}}}}
  template:
    metadata: {{labels: {{app: {name}}}}}
    spec: {{containers: [{{name: {name}, image: {name}, args: [{text}], ports: [{{containerPort: 80}}]}}]}}
---
apiVersion: v1
kind: Service
metadata: {{name: {name}}}
spec: {{selector: {{app: {name}}}, ports: [{{port: 80}}]}}
"""


FILES = {
    "colorlane.yaml": SPEC,
    "k8s/kustomization.yaml": "resources: [page.yaml, reviews.yaml]\n",
    "k8s/page.yaml": manifests("page"),
    "k8s/reviews.yaml": manifests("reviews"),
    "services/page/a": "1",
    "services/reviews/a": "1",
}


@pytest.fixture
def shop(tmp_path: Path) -> tuple[PipelineBuilds, Workspace, Path]:
    bare = tmp_path / "shop.git"
    bare.mkdir()
    git(bare, "init", "--quiet", "--bare")
    return PipelineBuilds(tmp_path / "state"), Workspace(tmp_path / "work", str(bare)), bare


def commit(work: Workspace, branch: str, **files: str) -> str:
    revision = work.commit(branch, **files)
    work.push(f"HEAD:refs/heads/{branch}")
    return revision


def test_production_gets_its_strategy_and_every_service(shop: tuple[PipelineBuilds, Workspace, Path]) -> None:
    builds, work, bare = shop
    revision = commit(work, "main", **FILES)
    plan = builds.plan(bare, "shop", "main", revision, "main")
    assert plan.target
    assert plan.target.is_production
    assert plan.target.strategy.steps == (SetWeight(10), Analysis(60.0), Pause(None), Pause(3.0))
    assert plan.entry == "page"
    assert [service.name for service in plan.services] == ["page", "reviews"]
    assert builds.target(bare, "main", revision) == ("page", plan.target)


def test_preview_counts_content_and_manifests_as_changes(shop: tuple[PipelineBuilds, Workspace, Path]) -> None:
    builds, work, bare = shop
    commit(work, "main", **FILES)
    work.branch("alice")
    first = builds.plan(bare, "shop", "alice", commit(work, "alice", **{"services/reviews/a": "2"}), "main")
    assert {service.name: service.changed for service in first.services} == {"page": False, "reviews": True}
    assert first.target
    assert (first.target.auto_stop, first.target.fallback) == (3600.0, "strict")
    changed = {"services/reviews/a": "1", "k8s/page.yaml": manifests("page", "b")}
    second = builds.plan(bare, "shop", "alice", commit(work, "alice", **changed), "main")
    reasons = {service.name: service.reason for service in second.services if service.changed}
    assert list(reasons) == ["page"]
    assert reasons["page"].startswith("its manifests changed since")


def test_branch_without_an_environment_has_no_target(shop: tuple[PipelineBuilds, Workspace, Path]) -> None:
    builds, work, bare = shop
    revision = commit(work, "bob", **FILES)
    assert builds.plan(bare, "shop", "bob", revision, "main").target is None


def test_environment_bound_to_a_branch_has_its_name_as_colour(shop: tuple[PipelineBuilds, Workspace, Path]) -> None:
    builds, work, bare = shop
    spec = SPEC.replace("  preview:", "  staging: {branch: develop, strategy: careful}\n  preview:")
    commit(work, "main", **{**FILES, "colorlane.yaml": spec})
    work.branch("develop")
    plan = builds.plan(bare, "shop", "develop", commit(work, "develop", **{"services/reviews/a": "2"}), "main")
    assert [service.name for service in plan.services if service.changed] == ["reviews"]
    assert plan.target
    assert (plan.target.name, plan.target.color, len(plan.target.strategy.steps)) == ("staging", "staging", 4)
    preview = builds.target(bare, "alice", commit(work, "alice"))[1]
    assert preview
    assert (preview.color, preview.reserved) == ("", frozenset({"staging"}))
    bad = commit(work, "develop", **{"colorlane.yaml": spec.replace("staging:", "www:")})
    with pytest.raises(Rejected, match=r"environments\.www: is a reserved name"):
        builds.target(bare, "develop", bad)


def test_build_reuse_and_collection(shop: tuple[PipelineBuilds, Workspace, Path], tmp_path: Path) -> None:
    builds, work, bare = shop
    revision = commit(work, "main", **FILES)
    service = builds.plan(bare, "shop", "main", revision, "main").services[0]
    built = builds.build(bare, revision, "page", service.key, tmp_path / "log", lambda: True)
    assert built.state is JobState.SUCCEEDED
    assert builds.has(built.artifact)
    assert not builds.has("")
    assert "artifact" in builds.plan(bare, "shop", "main", revision, "main").services[0].reason
    assert builds.collect(frozenset()) == 0, "too young to go"


def test_commit_and_ancestry(shop: tuple[PipelineBuilds, Workspace, Path]) -> None:
    builds, work, bare = shop
    older = work.commit("first line\n\nbody [skip ci]", a="1")
    newer = commit(work, "main", a="2")
    assert builds.commit(bare, older).author == "Alice"
    assert "[skip ci]" in builds.commit(bare, older).message
    assert builds.is_ancestor(bare, older, newer)
    assert not builds.is_ancestor(bare, newer, older)
    assert not builds.is_ancestor(bare, "0" * 40, newer)
    with pytest.raises(NotFound):
        builds.commit(bare, "0" * 40)


def test_what_the_user_has_to_mend_is_rejected(shop: tuple[PipelineBuilds, Workspace, Path]) -> None:
    builds, work, bare = shop
    missing = commit(work, "main", a="1")
    with pytest.raises(Rejected, match=r"no colorlane\.yaml"):
        builds.plan(bare, "shop", "main", missing, "main")
    other = commit(work, "main", **{**FILES, "colorlane.yaml": f"project: other\n{SPEC}"})
    with pytest.raises(Rejected, match="registered as 'shop'"):
        builds.plan(bare, "shop", "main", other, "main")


REFERENCE = f"registry.example.com/team/page:1@sha256:{'4d' * 32}"
IMAGES = SPEC.replace("{page: {}, reviews: {}}", f"{{page: {{image: {{reference: '{REFERENCE}'}}}}, reviews: {{}}}}")


def with_images(tmp_path: Path, **options: object) -> PipelineBuilds:
    state = tmp_path / "state"
    values = {"base": "scratch", **options}
    packaging = ImagePackaging(ImageOptions(**values), ArtifactStore(state))  # type: ignore[arg-type]
    return PipelineBuilds(state, packaging)


def test_artifacts_are_images_where_pods_run(shop: tuple[PipelineBuilds, Workspace, Path], tmp_path: Path) -> None:
    _, work, bare = shop
    builds = with_images(tmp_path)
    revision = commit(work, "main", **FILES)
    plan = builds.plan(bare, "shop", "main", revision, "main")
    service = plan.services[1]
    built = builds.build(bare, revision, "reviews", service.key, tmp_path / "log", lambda: True, "shop")
    assert built.state is JobState.SUCCEEDED, (tmp_path / "log").read_text()
    assert builds.has(built.artifact)
    again = builds.plan(bare, "shop", "main", revision, "main")
    assert again.services[1].key == service.key
    assert built.artifact[:19] in again.services[1].reason
    assert builds.collect(frozenset({built.artifact})) == 0


def test_a_given_image_needs_no_files_and_stands_in_the_manifests(
    shop: tuple[PipelineBuilds, Workspace, Path], tmp_path: Path
) -> None:
    plain, work, bare = shop
    builds = with_images(tmp_path)
    files = {**FILES, "colorlane.yaml": IMAGES}
    del files["services/page/a"]
    revision = commit(work, "main", **files)
    assert [service.name for service in builds.plan(bare, "shop", "main", revision, "main").services]
    digest = REFERENCE.partition("@")[2]
    rendered = builds.render(bare, revision, "shop", {"page": digest, "reviews": f"sha256:{'1' * 64}"})
    images = {
        name: objects[0]["spec"]["template"]["spec"]["containers"][0]["image"] for name, objects in rendered.items()
    }
    assert images["page"] == f"registry.example.com/team/page@{digest}"
    assert images["reviews"] == f"colorlane.local/shop/reviews@sha256:{'1' * 64}"
    with pytest.raises(Rejected, match="has no files in this commit"):  # one machine can run files only
        plain.plan(bare, "shop", "main", revision, "main")


def test_keys_of_images_and_of_files_differ(shop: tuple[PipelineBuilds, Workspace, Path], tmp_path: Path) -> None:
    plain, work, bare = shop
    revision = commit(work, "main", **FILES)

    def key(builds: PipelineBuilds, project: str = "shop") -> str:
        return builds.plan(bare, project, "main", revision, "main").services[1].key

    keys = {key(plain), key(with_images(tmp_path)), key(with_images(tmp_path), "other")}
    assert len(keys | {key(with_images(tmp_path, repository="r.example.com/team"))}) == 4
