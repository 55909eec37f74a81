"""Injected pods on a real node: kubelet, its tokens and probes, capture's rules, Envoy, and the mesh's own door."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from delivery.embedded.redis_server import find_redis_server
from mesh.webhook import Endpoint, webhook_configuration
from tests.fakes.background import Background, free_port, wait_for
from tests.kubernetes.connection import Connection, KubectlFailed
from tests.kubernetes.node import MACHINE, WEB, RealNode
from tests.kubernetes.own_image import write_own_image

IMAGE = "colorlane.test/colorlane:1"
INJECT = "colorlane.dev/inject"


@dataclass
class House:
    cluster: Connection
    home: str
    team: str
    mesh: Background

    def pods(self, selector: str) -> list[dict[str, Any]]:
        return list(self.cluster.get("pods", namespace=self.team, selector=selector)["items"])

    def story(self, selector: str) -> str:
        """What a person would look at when pods do not come up."""
        asked = [
            ["get", "events", "-n", self.team],
            *(
                ["logs", "-n", self.team, "-l", selector, "-c", name]
                for name in ("colorlane-capture", "colorlane-proxy")
            ),
        ]
        told = [f"mesh: {self.mesh.log.read_text()[-3000:]}"]
        for each in asked:
            try:
                told.append(self.cluster.kubectl(*each))
            except KubectlFailed as error:
                told.append(str(error))
        return "\n".join(told)


@pytest.fixture(scope="module")
def house(real_node: RealNode, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    folder = tmp_path_factory.mktemp("pods")
    cluster = real_node.cluster
    real_node.load(write_own_image(folder / "image.tar", IMAGE))
    redis_port, http_port, xds_port, webhook_port = (free_port() for _ in range(4))
    home, team, webhook = f"home-{webhook_port}", f"team-{webhook_port}", f"sidecar-{webhook_port}"
    for name in (home, team):
        cluster.kubectl("create", "namespace", name)
    cluster.apply(*door(home, xds_port), namespace=home)
    redis = Background(
        folder / "redis.log",
        *(find_redis_server(""), "--port", str(redis_port), "--bind", "127.0.0.1", "--save", "", "--dir", str(folder)),
    )
    environment = {
        "COLORLANE_KUBECONFIG": str(cluster.kubeconfig),
        "COLORLANE_NAMESPACE": home,
        "COLORLANE_REGISTRY": "kubernetes",
        "COLORLANE_XDS_HOST": MACHINE,
        "COLORLANE_XDS_PORT": str(xds_port),
        "COLORLANE_XDS_TLS": "on",
        "COLORLANE_XDS_AUTH": "kubernetes",
        "COLORLANE_WEBHOOK_PORT": str(webhook_port),
        "COLORLANE_WEBHOOK_NAME": webhook,
        "COLORLANE_SIDECAR_IMAGE": IMAGE,
        "COLORLANE_SIDECAR_PULL_POLICY": "Never",
        "COLORLANE_MESH_PORT": str(http_port),
        "COLORLANE_REDIS_URL": f"redis://127.0.0.1:{redis_port}/0",
    }
    mesh = Background(folder / "mesh.log", sys.executable, "-m", "mesh", env=environment)
    endpoint = Endpoint(namespace=home, url=f"https://127.0.0.1:{webhook_port}/inject")
    cluster.apply(webhook_configuration(endpoint, name=webhook, only_namespaces=[team]))
    try:
        redis.start()
        mesh.start()
        wait_for("the mesh", lambda: answers(f"http://127.0.0.1:{http_port}/readyz"))
        wait_for("its registration", lambda: b"webhook registered" in mesh.log.read_bytes())
        yield House(cluster, home, team, mesh)
    finally:
        cluster.kubectl("delete", "namespace", home, team, "--wait=false")
        cluster.kubectl("delete", "mutatingwebhookconfiguration", webhook)
        mesh.kill()
        redis.kill()


def answers(url: str) -> bool:
    try:
        return httpx.get(url, trust_env=False, timeout=2).status_code == 200
    except httpx.TransportError:
        return False


def door(home: str, xds_port: int) -> list[dict[str, Any]]:
    """The mesh's Service, leading to the machine that the test runs on."""
    metadata = {"name": "colorlane-mesh", "namespace": home}
    service = {"apiVersion": "v1", "kind": "Service", "metadata": metadata}
    service["spec"] = {"ports": [{"name": "xds", "port": 15010, "targetPort": xds_port}]}
    slices = {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {**metadata, "labels": {"kubernetes.io/service-name": "colorlane-mesh"}},
        "addressType": "IPv4",
        "ports": [{"name": "xds", "port": xds_port}],
        "endpoints": [{"addresses": [MACHINE], "conditions": {"ready": True}}],
    }
    return [service, slices]


def template(app: str, mode: str, **spec: Any) -> dict[str, Any]:
    container = {"name": "app", "image": WEB, "imagePullPolicy": "Never", **spec.pop("container", {})}
    metadata = {"labels": {"app": app, INJECT: "true"}, "annotations": {"colorlane.dev/capture": mode}}
    return {"metadata": metadata, "spec": {"containers": [container], **spec}}


def web(app: str, mode: str) -> list[dict[str, Any]]:
    probe = {"readinessProbe": {"httpGet": {"path": "/ready", "port": 8080}, "periodSeconds": 1}}
    deployment = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": app}}
    deployment["spec"] = {"selector": {"matchLabels": {"app": app}}, "template": template(app, mode, container=probe)}
    service = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": app}}
    service["spec"] = {"selector": {"app": app}, "ports": [{"name": "http", "port": 80, "targetPort": 8080}]}
    return [deployment, service]


@pytest.mark.parametrize("mode", ["proxy", "transparent"])
def test_a_pod_runs_with_its_sidecar(house: House, mode: str) -> None:
    house.cluster.apply(*web(mode, mode), namespace=house.team)

    def up() -> bool:
        found = house.cluster.get("deployments", mode, house.team)["status"]
        return bool(found.get("availableReplicas") == 1)

    try:
        wait_for("the Deployment", up, 90)
    except AssertionError as error:
        raise AssertionError(f"{error}\n{house.story(f'app={mode}')}") from error
    (pod,) = house.pods(f"app={mode}")
    proxy = next(one for one in pod["status"]["initContainerStatuses"] if one["name"] == "colorlane-proxy")
    assert (proxy["started"], proxy["ready"], proxy["restartCount"]) == (True, True, 0)
    node = f"{house.team}/{mode}/-/default/{pod['metadata']['name']}"
    assert f'"proxy": "{node}", "event": "proxy connected"' in house.mesh.log.read_text()
    answer = httpx.get(f"http://{pod['status']['podIP']}:8080/", trust_env=False, timeout=5)
    assert answer.json()["pod"] == pod["metadata"]["name"], "the application answers from outside of the mesh too"
    fetch = f"http://{pod['status']['podIP']}:8080/fetch"
    coloured = {"baggage": "color=alice"}

    def through_the_mesh() -> bool:
        told = httpx.get(fetch, params={"url": f"http://{mode}/"}, headers=coloured, trust_env=False, timeout=5)
        return told.status_code == 200 and "X-Color" in told.text

    wait_for("a call of the application by its sidecar, which restores all carriers of the colour", through_the_mesh)
    health = httpx.get(f"http://{pod['status']['podIP']}:15021/healthz/ready", trust_env=False, timeout=5)
    assert health.status_code == 200


def test_a_job_ends_though_its_sidecar_does_not(house: House, tmp_path: Path) -> None:
    once = {"command": ["python", "-c", "print('done')"], "image": IMAGE}
    job = {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "report"}}
    job["spec"] = {"template": template("report", "proxy", restartPolicy="Never", container=once), "backoffLimit": 0}
    house.cluster.apply(job, namespace=house.team)

    def succeeded() -> bool:
        return bool(house.cluster.get("jobs", "report", house.team)["status"].get("succeeded") == 1)

    try:
        wait_for("the Job's end", succeeded, 90)
    except AssertionError as error:
        raise AssertionError(f"{error}\n{house.story('app=report')}") from error
