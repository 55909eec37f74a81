"""Rendering with the real kustomize: the sample's golden output, refusals in its own words, no way to the network."""

from __future__ import annotations

import json
import os
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from delivery.adapters import render_kustomize
from delivery.adapters.kustomize_sources import check_sources
from delivery.adapters.render_kustomize import image_name, render
from delivery.errors import Rejected
from delivery.manifests import split_manifests

pytestmark = pytest.mark.integration

ROOT = Path(__file__).parents[3]
GOLDEN = ROOT / "tests" / "golden" / "pipelines" / "bookshop.json"
SERVICES = ("productpage", "details", "reviews", "ratings")
IMAGES = {name: image_name("bookshop", name, f"sha256:{name[0].encode().hex() * 32}") for name in SERVICES}

DEPLOYMENT = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: reviews, annotations: {released: 2026-01-02, note: "yes"}}
spec:
  selector: {matchLabels: {app: reviews}}
  template:
    metadata: {labels: {app: reviews}}
    spec: {containers: [{name: app, image: reviews, ports: [{name: http, containerPort: 9080}]}]}
"""


def write(place: Path, **files: str) -> Path:
    for name, text in files.items():
        file = place / name.replace("__", "/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return place


def kustomization(tree: Path, text: str, **more: str) -> Path:
    return write(tree, **{"k8s__kustomization.yaml": text, "k8s__app.yaml": DEPLOYMENT}, **more)


def refusal(tree: Path) -> str:
    with pytest.raises(Rejected) as caught:
        render(tree, "k8s", IMAGES, {"a": "b"})
    assert caught.value.remedy
    return caught.value.message


def test_the_sample_renders_to_the_golden_file(tmp_path: Path) -> None:
    tree = ROOT / "samples" / "bookshop"
    work = tmp_path / "work" / "tree"
    for file in (tree / "k8s").iterdir():
        write(work, **{f"k8s__{file.name}": file.read_text()})
    found = split_manifests(render(work, "k8s", IMAGES, {"colorlane.local/project": "bookshop"}), IMAGES)
    text = json.dumps(found.by_service, indent=1, sort_keys=True) + "\n"
    if os.environ.get("COLORLANE_GOLDEN") == "write":
        GOLDEN.parent.mkdir(parents=True, exist_ok=True)
        GOLDEN.write_text(text)
    assert text == GOLDEN.read_text(), "if the change is meant: COLORLANE_GOLDEN=write pytest ..."
    assert found.warnings == ()


def test_labels_reach_templates_and_never_selectors(tmp_path: Path) -> None:
    tree = kustomization(tmp_path / "tree", "resources: [app.yaml]")
    (deployment,) = render(tree, "k8s", IMAGES, {"x": "y"})
    assert deployment["metadata"]["labels"] == {"x": "y"}
    assert deployment["spec"]["template"]["metadata"]["labels"] == {"app": "reviews", "x": "y"}
    assert deployment["spec"]["selector"] == {"matchLabels": {"app": "reviews"}}
    assert deployment["spec"]["template"]["spec"]["containers"][0]["image"] == IMAGES["reviews"]
    assert deployment["metadata"]["annotations"] == {"released": "2026-01-02", "note": "yes"}


def test_bases_components_patches_and_generators_work(tmp_path: Path) -> None:
    tree = write(
        tmp_path / "tree",
        **{
            "deploy__base__kustomization.yaml": "resources: [app.yaml]",
            "deploy__base__app.yaml": DEPLOYMENT,
            "deploy__prod__kustomization.yaml": "resources: [../base]\ncomponents: [../extra]\n"
            "configMapGenerator: [{name: settings, files: [a.txt, b=a.txt], literals: [u=https://example.org/x]}]\n"
            "patches: [{path: two.yaml, target: {kind: Deployment}}]",
            "deploy__prod__a.txt": "hello",
            "deploy__prod__two.yaml": "- op: add\n  path: /spec/replicas\n  value: 2\n",
            "deploy__extra__kustomization.yaml": "apiVersion: kustomize.config.k8s.io/v1alpha1\nkind: Component\n"
            "commonAnnotations: {extra: yes please}",
        },
    )
    objects = {item["kind"]: item for item in render(tree, "deploy/prod", IMAGES, {"x": "y"})}
    assert objects["Deployment"]["spec"]["replicas"] == 2
    assert objects["Deployment"]["metadata"]["annotations"]["extra"] == "yes please"
    assert objects["ConfigMap"]["data"] == {"a.txt": "hello", "b": "hello", "u": "https://example.org/x"}


def test_what_kustomize_refuses_is_told_in_its_words(tmp_path: Path) -> None:
    tree = kustomization(tmp_path / "tree", "resources: [app.yaml]\nnamePrefx: x")
    message = refusal(tree)
    assert "unknown field" in message
    assert "namePrefx" in message
    assert str(tmp_path) not in message


def test_broken_yaml_in_a_resource(tmp_path: Path) -> None:
    tree = kustomization(tmp_path / "tree", "resources: [app.yaml, bad.yaml]", **{"k8s__bad.yaml": "a: [b"})
    assert "bad.yaml" in refusal(tree)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("resources: [https://example.org/app.yaml]", "nothing is fetched from elsewhere"),
        ("resources: ['github.com/org/repo//deploy?ref=main']", "nothing is fetched from elsewhere"),
        ("resources: [/etc]", "lies outside"),
        ("resources: [../../..]", "lies outside"),
        ("resources: [leads-out]", "lies outside"),
        ("resources: [app.yaml]\npatches: [{path: 'http://127.0.0.1:1/x'}]", "patches[0].path"),
        ("resources: [app.yaml]\nconfigMapGenerator: [{name: x, files: ['k=http://127.0.0.1:1/x']}]", "files[0]"),
        ("resources: [app.yaml]\nsecretGenerator: [{name: x, envs: [/etc/passwd]}]", "lies outside"),
        ("resources: [app.yaml]\nopenapi: {path: 'https://example.org'}", "openapi.path"),
        ("resources: [app.yaml]\ngenerators: [missing.yaml]", "generators[0]"),
        ("resources: [app.yaml]\ngenerators: [plugin.yaml]", "names a URL"),
        (
            "resources: [app.yaml]\ntransformers: ['{apiVersion: builtin, path: http://127.0.0.1:1/x}']",
            "transformers[0]",
        ),
        ("resources: [app.yaml]\ngenerators: [folder]", "is a folder"),
        ("helmCharts: [{name: x, repo: 'https://example.org'}]", "charts are not inflated"),
        ("resources: [", "not valid YAML"),
        ("[]", "not a mapping"),
        ("resources: [folder]", "no kustomization.yaml"),
    ],
)
def test_what_does_not_lie_in_the_repository_is_refused_before_kustomize_runs(
    tmp_path: Path, text: str, words: str
) -> None:
    tree = kustomization(tmp_path / "tree", text, k8s__folder__x="")
    (tree / "k8s" / "leads-out").symlink_to("/etc")
    (tree / "k8s" / "plugin.yaml").write_text('kind: ConfigMapGenerator\nfiles: ["k=http://127.0.0.1:1/secret"]\n')
    with pytest.raises(Rejected) as caught:
        check_sources(tree, "k8s")
    assert words in caught.value.message


def test_the_way_up_from_behind_a_link_is_that_of_its_target(tmp_path: Path) -> None:
    """By the name of the link `../../secrets` is a folder of the tree; kustomize starts from where the link leads."""
    tree = kustomization(tmp_path / "tree", "resources: [deep/link]", k8s__deep__x="", other__app="")
    write(tree, **{"k8s__secrets__kustomization.yaml": "resources: []"})
    (tree / "other" / "kustomization.yaml").write_text("resources: [../../secrets]")
    (tree / "k8s" / "deep" / "link").symlink_to("../../other")
    with pytest.raises(Rejected, match="lies outside"):
        check_sources(tree, "k8s")


def test_nothing_on_loopback_is_asked(tmp_path: Path) -> None:
    """The check comes first; this shows that it is needed and holds."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_error(404)

    server = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        tree = kustomization(tmp_path / "tree", f"resources: ['http://127.0.0.1:{server.server_port}/secret']")
        assert "nothing is fetched" in refusal(tree)
    finally:
        server.shutdown()
        server.server_close()
    assert asked == []


def test_aliases_do_not_unfold(tmp_path: Path) -> None:
    levels = "".join(f"  l{n}: &l{n} [{', '.join([f'*l{n - 1}'] * 9)}]\n" for n in range(1, 9))
    bomb = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\ndata:\n  l0: &l0 [x]\n" + levels
    tree = kustomization(tmp_path / "tree", "resources: [app.yaml, bomb.yaml]", **{"k8s__bomb.yaml": bomb})
    assert "resources[1]: bomb.yaml is too large once YAML aliases are written out" in refusal(tree)


def test_modest_aliases_are_welcome(tmp_path: Path) -> None:
    settings = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\ndata: {a: &a text, b: *a}\n"
    tree = kustomization(tmp_path / "tree", "resources: [settings.yaml]", **{"k8s__settings.yaml": settings})
    assert render(tree, "k8s", {}, {})[0]["data"] == {"a": "text", "b": "text"}


def test_a_slow_kustomize_is_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    slow = tmp_path / "kubectl"
    slow.write_text("#!/bin/sh\nexec /bin/sleep 60\n")
    slow.chmod(0o755)
    monkeypatch.setattr(render_kustomize, "_kubectl", lambda: str(slow))
    monkeypatch.setattr(render_kustomize, "TIMEOUT", 0.2)
    with pytest.raises(Rejected, match="longer than"):
        render(kustomization(tmp_path / "tree", "resources: [app.yaml]"), "k8s", IMAGES, {})
