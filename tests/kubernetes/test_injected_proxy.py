"""The arguments of a container that the API server stored, run by the real Envoy against the real mesh: TLS and token.

No kubelet here: the test puts in what the kubelet would, and takes ports that are free on this machine.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from delivery.embedded.redis_server import find_redis_server
from mesh.webhook import Endpoint, webhook_configuration
from tests.fakes.background import Background, free_port, wait_for
from tests.kubernetes.connection import Connection, KubectlFailed
from tests.kubernetes.test_injection import INJECT, pod

POD_ADDRESS = "127.0.77.1"  # loopback, and nobody else's


@dataclass
class Mesh:
    cluster: Connection
    home: str
    team: str
    http: str
    xds_port: int
    process: Background

    def proxies(self) -> str:
        try:
            return httpx.get(f"{self.http}/v1/proxies", trust_env=False).text
        except httpx.TransportError:
            return ""


@pytest.fixture(scope="module")
def mesh(cluster: Connection, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mesh]:
    folder = tmp_path_factory.mktemp("mesh")
    redis_port, http_port, xds_port, webhook_port = (free_port() for _ in range(4))
    home, team, webhook = f"home-{webhook_port}", f"team-{webhook_port}", f"sidecar-{webhook_port}"
    redis = Background(
        folder / "redis.log",
        *(find_redis_server(""), "--port", str(redis_port), "--bind", "127.0.0.1", "--save", "", "--dir", str(folder)),
    )
    environment = {
        "COLORLANE_KUBECONFIG": str(cluster.kubeconfig),
        "COLORLANE_NAMESPACE": home,
        "COLORLANE_WATCH_NAMESPACES": team,
        "COLORLANE_REGISTRY": "kubernetes",
        "COLORLANE_XDS_TLS": "on",
        "COLORLANE_XDS_AUTH": "kubernetes",
        "COLORLANE_WEBHOOK_PORT": str(webhook_port),
        "COLORLANE_WEBHOOK_NAME": webhook,
        "COLORLANE_MESH_PORT": str(http_port),
        "COLORLANE_XDS_PORT": str(xds_port),
        "COLORLANE_REDIS_URL": f"redis://127.0.0.1:{redis_port}/0",
    }
    process = Background(folder / "mesh.log", sys.executable, "-m", "mesh", env=environment)
    for name in (home, team):
        cluster.kubectl("create", "namespace", name)
    endpoint = Endpoint(namespace=home, url=f"https://127.0.0.1:{webhook_port}/inject")
    cluster.apply(webhook_configuration(endpoint, name=webhook, only_namespaces=[team]))
    http = f"http://127.0.0.1:{http_port}"
    try:
        redis.start()
        process.start()
        wait_for("the mesh", lambda: answers(f"{http}/readyz"))
        yield Mesh(cluster, home, team, http, xds_port, process)
    finally:
        process.kill()
        redis.kill()
        cluster.kubectl("delete", "mutatingwebhookconfiguration", webhook)
        cluster.kubectl("delete", "namespace", home, team, "--wait=false")


def answers(url: str) -> bool:
    try:
        return httpx.get(url, trust_env=False).status_code == 200
    except httpx.TransportError:
        return False


def injected(mesh: Mesh, name: str) -> list[str]:
    """Make a pod of service `reviews`; return its sidecar's arguments once it has one."""
    labels = {INJECT: "true", "app": "reviews"}
    annotations = {"colorlane.dev/capture": "proxy"}  # capture itself is proven where packets flow

    def arguments() -> list[str]:
        try:
            mesh.cluster.apply(pod(name, labels=labels, annotations=annotations), namespace=mesh.team)
        except KubectlFailed:
            return []
        inits = mesh.cluster.get("pods", name, mesh.team)["spec"].get("initContainers", [])
        if not inits:
            mesh.cluster.kubectl("delete", "pod", name, "-n", mesh.team, "--now")
        return [argument for each in inits for argument in each["args"]]

    return wait_for("an injected pod", arguments)


@pytest.fixture
def run(mesh: Mesh, tmp_path: Path) -> Iterator[Callable[[list[str], str, str], Background]]:
    """Run a sidecar's arguments as the pod `name` with the token of the pod `token_of`."""
    started: list[Background] = []

    def start(arguments: list[str], name: str, token_of: str) -> Background:
        token = mesh.cluster.kubectl(
            *("create", "token", "default", "-n", mesh.team, "--audience=colorlane-mesh"),
            *("--bound-object-kind=Pod", f"--bound-object-name={token_of}"),
        )
        (tmp_path / "token").write_text(token.strip())
        values = {
            "$(POD_NAME)": name,
            "$(POD_NAMESPACE)": mesh.team,
            "$(POD_IP)": POD_ADDRESS,
            "/var/run/secrets/colorlane": str(tmp_path),
            f'"address":"colorlane-mesh.{mesh.home}.svc","port_value":15010': '"address":"127.0.0.1",'
            f'"port_value":{mesh.xds_port}',
            '"port_value":15000': f'"port_value":{free_port()}',
            '"outbound":15080': f'"outbound":{free_port()}',
        }
        for before, after in values.items():
            assert any(before in argument for argument in arguments), before
            arguments = [argument.replace(before, after) for argument in arguments]
        process = Background(tmp_path / f"{name}.log", sys.executable, "-m", "mesh.sidecar", *arguments)
        process.start()
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()


def test_an_injected_sidecar_is_let_in_and_becomes_healthy(
    mesh: Mesh, run: Callable[[list[str], str, str], Background]
) -> None:
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "reviews"},
        "spec": {"selector": {"app": "reviews"}, "ports": [{"name": "http", "port": 9080, "targetPort": 8080}]},
    }
    mesh.cluster.apply(service, namespace=mesh.team)
    arguments = injected(mesh, "reviews-1")
    process = run(arguments, "reviews-1", "reviews-1")
    try:
        wait_for("the sidecar's health", lambda: answers(f"http://{POD_ADDRESS}:15021/healthz/ready"))
    except AssertionError as error:
        raise AssertionError(f"{error}\n{process.log.read_text()}\n{mesh.process.log.read_text()[-3000:]}") from error
    assert f"{mesh.team}/reviews/-/default/reviews-1" in mesh.proxies()


def test_a_pod_cannot_be_another_one(mesh: Mesh, run: Callable[[list[str], str, str], Background]) -> None:
    arguments = injected(mesh, "reviews-2")
    injected(mesh, "reviews-3")
    run(arguments, "reviews-2", "reviews-3")
    wait_for("a refusal in the mesh's log", lambda: b"says it is proxy" in mesh.process.log.read_bytes())
    assert not answers(f"http://{POD_ADDRESS}:15021/healthz/ready")
    assert f"{mesh.team}/reviews/-/default/reviews-2" not in mesh.proxies()
