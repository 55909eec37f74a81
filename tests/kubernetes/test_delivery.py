"""The main job against a real API server: push, pods, a canary, a version that crashes, a preview, its end.

All of Colorlane's processes are real; pods are kwok's, so nobody answers requests: what real pods add is in
`installed.py`. Images are given by digest, for nothing is ever pulled.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from delivery.demo.doors import Doors, Row
from tests.e2e.conftest import Repository
from tests.fakes.background import Background, free_port, running_redis, wait_for
from tests.kubernetes.cluster import Cluster
from tests.kubernetes.test_injected_pods import answers

CRDS = Path(__file__).parents[2] / "kustomize" / "base" / "crds"
DIGEST = "sha256:" + "5" * 64


def spec(project: str) -> str:
    return f"""\
project: {project}
entry: page
manifests: k8s
services:
  page: {{path: page, image: {{reference: "registry.test/page@{DIGEST}"}}}}
  reviews: {{path: reviews, image: {{reference: "registry.test/reviews@{DIGEST}"}}}}
environments:
  production: {{branch: main, strategy: canary}}
  preview: {{branches: ["*"], strategy: instant}}
strategies:
  instant: {{steps: [], progressDeadline: 60s}}
  canary:
    steps: [{{setWeight: 20}}, {{pause: {{}}}}, {{setWeight: 100}}]
    progressDeadline: 15s
"""


def manifests(name: str, text: str, outcome: str = "") -> str:
    container = {"name": name, "image": name, "env": [{"name": "TEXT", "value": text}]}
    container["ports"] = [{"name": "http", "containerPort": 8080}]
    marks = {"annotations": {"colorlane.test/outcome": outcome}} if outcome else {}
    template = {"metadata": {"labels": {"app": name}, **marks}, "spec": {"containers": [container]}}
    deployment: dict[str, Any] = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name}}
    deployment["spec"] = {"selector": {"matchLabels": {"app": name}}, "template": template}
    service: dict[str, Any] = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}}
    service["spec"] = {"selector": {"app": name}, "ports": [{"name": "http", "port": 80, "targetPort": "http"}]}
    return "\n---\n".join(json.dumps(each) for each in (deployment, service))


def files(project: str) -> dict[str, str]:
    return {
        "colorlane.yaml": spec(project),
        "k8s/kustomization.yaml": "resources: [page.yaml, reviews.yaml]\n",
        "k8s/page.yaml": manifests("page", "one"),
        "k8s/reviews.yaml": manifests("reviews", "one"),
        "page/README": "given as an image\n",
        "reviews/README": "given as an image\n",
    }


@dataclass
class House:
    """All that runs, and the ways in; the project's name is also its namespace."""

    cluster: Cluster
    doors: Doors
    repository: Repository
    processes: dict[str, Background]

    @property
    def project(self) -> str:
        return self.repository.project

    def kubectl(self, *words: str) -> str:
        return self.cluster.kubectl("--namespace", self.project, *words)

    def change(self, service: str, text: str, branch: str = "main", outcome: str = "") -> str:
        """Push another version of a service; return the commit."""
        return self.repository.push(branch, **{f"k8s/{service}.yaml": manifests(service, text, outcome)})

    def ended(self, revision: str) -> Row:
        return self.doors.ended_run(self.project, revision, 120)

    def waiting(self, revision: str) -> Row:
        return self.doors.rollout_when(
            self.project, revision, "reviews", lambda row: row["awaits_approval"], "the pause", 120
        )

    def approve(self, rollout: str) -> None:
        me = self.kubectl("auth", "whoami", "-o", "jsonpath={.status.userInfo.username}")
        self.kubectl("annotate", "rollout", rollout, "colorlane.dev/operation=approve", f"colorlane.dev/by={me}")

    def texts(self, color: str = "") -> set[str]:
        """What the versions of reviews in a lane would answer."""
        chosen = f"colorlane.dev/service=reviews,colorlane.dev/color={color}"
        found = self.cluster.get("deployments", namespace=self.project, selector=chosen)["items"]
        containers = [container for each in found for container in each["spec"]["template"]["spec"]["containers"]]
        return {variable["value"] for each in containers for variable in each["env"] if variable["name"] == "TEXT"}


@contextmanager
def running(cluster: Cluster, project: str, folder: Path) -> Iterator[House]:
    ports = {name: free_port() for name in ("mesh", "xds", "api", "gateway")}
    with running_redis(folder / "redis") as redis_url:
        environment = {
            "COLORLANE_KUBECONFIG": str(cluster.kubeconfig),
            "COLORLANE_REGISTRY": "kubernetes",
            "COLORLANE_XDS_PORT": str(ports["xds"]),
            "COLORLANE_MESH_PORT": str(ports["mesh"]),
            "COLORLANE_REDIS_URL": redis_url,
            "COLORLANE_STATE_DIR": str(folder / "state"),
            "COLORLANE_API_PORT": str(ports["api"]),
            "COLORLANE_GATEWAY_PORT": str(ports["gateway"]),
            "COLORLANE_PLATFORM": "kubernetes",
        }
        commands = {
            "mesh": ("-m", "mesh"),
            "api": ("-m", "delivery", "api"),
            "control": ("-m", "delivery", "worker", "control"),
            "build": ("-m", "delivery", "worker", "build"),
            "controller": ("-m", "delivery", "controller"),
        }
        processes = {
            name: Background(folder / f"{name}.log", sys.executable, "-P", *words, env=environment)
            for name, words in commands.items()
        }
        try:
            for process in processes.values():
                process.start()
            wait_for("the mesh", lambda: answers(f"http://127.0.0.1:{ports['mesh']}/readyz"), 60)
            wait_for("the API", lambda: answers(f"http://127.0.0.1:{ports['api']}/healthz"), 60)
            doors = Doors(f"http://127.0.0.1:{ports['api']}")
            doors.post("projects", name=project)
            (folder / "work").mkdir()
            repository = Repository(folder / "work", project, doors, files(project))
            repository.git("init", "-q", "-b", "main")
            repository.git("remote", "add", "origin", f"http://127.0.0.1:{ports['api']}/git/{project}.git")
            yield House(cluster, doors, repository, processes)
        finally:
            for process in processes.values():
                process.kill()


@pytest.fixture
def house(own_cluster: Cluster, namespace: str, tmp_path: Path) -> Iterator[House]:
    own_cluster.kubectl("apply", "--server-side", "-k", str(CRDS))
    with running(own_cluster, namespace, tmp_path) as made:
        yield made


@pytest.mark.timeout(400)
def test_the_main_job(house: House) -> None:
    assert house.ended(house.repository.push())["state"] == "succeeded"
    assert house.texts() == {"one"}

    preview = house.change("reviews", "of alice", "alice")
    assert house.ended(preview)["state"] == "succeeded"
    assert (house.texts("alice"), house.texts()) == ({"of alice"}, {"one"})
    assert len(house.cluster.get("deployments", namespace=house.project)["items"]) == 3, "one changed, one pod more"

    better = house.change("reviews", "two")
    rollout = house.waiting(better)
    assert house.texts() == {"one", "two"}, "both run side by side"
    house.processes["control"].kill()
    house.cluster.restart_apiserver()
    house.approve(rollout["id"])
    house.processes["control"].start()
    assert house.ended(better)["state"] == "succeeded"
    wait_for("the old version's end", lambda: house.texts() == {"two"}, 60)
    assert "promoted" in house.kubectl("get", "rollouts")

    crashing = house.change("reviews", "three", outcome="crash-loop")
    assert house.ended(crashing)["state"] == "failed"
    ended = house.doors.rollout_of(house.project, crashing, "reviews")
    assert ended is not None
    assert ended["phase"] == "rolled_back"
    assert "CrashLoopBackOff" in ended["message"]
    wait_for("the crashing version's end", lambda: house.texts() == {"two"}, 60)

    house.kubectl("delete", "environment", "alice", "--timeout=90s")
    left = house.kubectl("get", "deployments,services,configmaps,pods", "-l", "colorlane.dev/color=alice", "-o", "name")
    assert left == ""
    kept = house.kubectl("get", "deployments", "-l", "colorlane.dev/project", "-o", "name").split()
    assert len(kept) == 2
