"""What kustomize makes of each overlay, for the tests that look at it."""

from __future__ import annotations

import shutil
import subprocess
import sysconfig
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from tests.architecture.sources import ROOT

OVERLAYS = sorted(path.name for path in (ROOT / "kustomize/overlays").iterdir())
NAMESPACE = "colorlane"
PREFIX = "colorlane-"
Object = dict[str, Any]


def kubectl() -> str:
    """Return the wheel's kubectl, else the one on PATH."""
    wheel = Path(sysconfig.get_path("scripts")) / "kubectl"
    found = str(wheel) if wheel.exists() else shutil.which("kubectl")
    assert found, "no kubectl; install the package with its dependencies"
    return found


def built(folder: Path) -> tuple[Object, ...]:
    """Return the objects that `kubectl kustomize` makes of a folder."""
    done = subprocess.run([kubectl(), "kustomize", str(folder)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return tuple(yaml.safe_load_all(done.stdout))


@cache
def rendered(overlay: str) -> tuple[Object, ...]:
    """Return an overlay's objects."""
    return built(ROOT / "kustomize/overlays" / overlay)


def of_kind(overlay: str, *kinds: str) -> Iterator[Object]:
    """Yield the objects of these kinds."""
    return (each for each in rendered(overlay) if each["kind"] in kinds)


def name_of(item: Object) -> str:
    """Return an object's name without what all of ours begin with."""
    return str(item["metadata"]["name"]).removeprefix(PREFIX)


def pods(overlay: str) -> Iterator[tuple[str, Object]]:
    """Yield (workload, pod template)."""
    for workload in of_kind(overlay, "Deployment", "StatefulSet", "DaemonSet"):
        yield name_of(workload), workload["spec"]["template"]


def containers(overlay: str) -> Iterator[tuple[str, Object]]:
    """Yield (workload, its one container)."""
    for workload, pod in pods(overlay):
        (container,) = pod["spec"]["containers"]
        yield workload, container


def selected(overlay: str, selector: Object) -> list[Object]:
    """Return the pod templates that a selector finds."""
    wanted = selector.get("matchLabels", {} if "matchExpressions" in selector else selector)
    found = [pod for _, pod in pods(overlay) if wanted.items() <= pod["metadata"]["labels"].items()]
    for rule in selector.get("matchExpressions", []):
        assert rule["operator"] == "In", "the other operators are not used here"
        found = [pod for pod in found if pod["metadata"]["labels"].get(rule["key"]) in rule["values"]]
    return found


def port_names(pod: Object) -> set[str]:
    """Return the names of a pod's ports."""
    return {port["name"] for container in pod["spec"]["containers"] for port in container.get("ports", [])}
