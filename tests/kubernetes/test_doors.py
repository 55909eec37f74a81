"""Doors of the mesh, decided by a real API server: tokens of pods."""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from mesh.apiserver import ApiServer
from mesh.errors import Unauthenticated
from mesh.identity import Authority, FileVault
from mesh.policy.callers import GATEWAY_ACCOUNT, Caller
from mesh.policy.tokens_kubernetes import KubernetesTokens
from mesh.sidecar import envoy_argv, gateway_bootstrap
from mesh.sidecar.door import Door
from tests.fakes.background import Background, free_port, running_redis, wait_for
from tests.kubernetes.connection import Connection

pytestmark = pytest.mark.integration

AUDIENCE = "colorlane-mesh"
TOKEN = "of-this-test"


def pod(cluster: Connection, namespace: str, name: str, account: str = "default") -> None:
    if account != "default":
        about = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": account}}
        cluster.apply(about, namespace=namespace)
    spec = {"serviceAccountName": account, "containers": [{"name": "app", "image": "registry.test/app:1"}]}
    cluster.apply({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": spec}, namespace=namespace)


def token_of(cluster: Connection, namespace: str, name: str, account: str = "default", audience: str = AUDIENCE) -> str:
    bound = ("--bound-object-kind", "Pod", "--bound-object-name", name)
    made = cluster.kubectl("-n", namespace, "create", "token", account, "--audience", audience, *bound)
    return made.strip()


async def identify(cluster: Connection, token: str) -> Caller:
    server = ApiServer(str(cluster.kubeconfig))
    try:
        return await KubernetesTokens(server, time.time).identify(token)
    finally:
        await server.close()


def test_the_api_server_tells_whose_a_token_is(cluster: Connection, namespace: str) -> None:
    pod(cluster, namespace, "reviews-1")
    good = token_of(cluster, namespace, "reviews-1")
    assert asyncio.run(identify(cluster, good)) == Caller(namespace, "default", "reviews-1")
    with pytest.raises(Unauthenticated):
        asyncio.run(identify(cluster, token_of(cluster, namespace, "reviews-1", audience="somebody-else")))
    with pytest.raises(Unauthenticated):
        asyncio.run(identify(cluster, good[:-4] + "AAAA"))
    cluster.kubectl("-n", namespace, "delete", "pod", "reviews-1", "--wait=true", "--grace-period=0")

    def is_refused() -> bool:
        with contextlib.suppress(Unauthenticated):
            asyncio.run(identify(cluster, good))
            return False
        return True

    wait_for("the token of a deleted pod to end", is_refused)


@pytest.fixture
def started() -> Iterator[list[subprocess.Popen[bytes]]]:
    processes: list[subprocess.Popen[bytes]] = []
    yield processes
    for process in processes:
        process.kill()
        process.wait()


def test_a_proxy_comes_in_with_its_own_pods_token_only(
    cluster: Connection, namespace: str, tmp_path: Path, started: list[subprocess.Popen[bytes]]
) -> None:
    pod(cluster, namespace, "gateway-1", GATEWAY_ACCOUNT)
    pod(cluster, namespace, "app-1")
    vault, xds, http = tmp_path / "roots.pem", free_port(), free_port()
    authority = asyncio.run(Authority.open(FileVault(vault)))
    tokens = {
        "gateway/good": token_of(cluster, namespace, "gateway-1", GATEWAY_ACCOUNT),
        "gateway/app": token_of(cluster, namespace, "app-1"),
        "gateway/rubbish": "rubbish",
    }
    with running_redis(tmp_path / "redis") as redis_url:
        env = {
            "COLORLANE_REDIS_URL": redis_url,
            "COLORLANE_XDS_PORT": str(xds),
            "COLORLANE_MESH_PORT": str(http),
            "COLORLANE_MESH_TOKEN": TOKEN,
            "COLORLANE_XDS_TLS": "on",
            "COLORLANE_XDS_AUTH": "kubernetes",
            "COLORLANE_KUBECONFIG": str(cluster.kubeconfig),
            "COLORLANE_NAMESPACE": namespace,
            "COLORLANE_MESH_IDENTITY": str(vault),
        }
        mesh = Background(tmp_path / "mesh.log", sys.executable, "-m", "mesh", env=env)
        mesh.start()
        try:
            for number, (name, token) in enumerate(tokens.items()):
                file = tmp_path / str(number) / "token"
                file.parent.mkdir()
                file.write_text(token)
                door = Door(authority.bundle().decode(), str(file), "localhost")
                text = gateway_bootstrap(name.partition("/")[2], "127.0.0.1", free_port(), xds, free_port(), door=door)
                path = tmp_path / f"{number}.json"
                path.write_text(text)
                started.append(subprocess.Popen(envoy_argv(path, log_path=path.with_suffix(".log"))))
            log = tmp_path / "mesh.log"
            wait_for("the good one to come in", lambda: connected(http) == {"gateway/good"}, 60)
            wait_for("the app to be refused", lambda: "says it is proxy 'gateway/app'" in log.read_text(), 60)
            wait_for("rubbish to be refused", lambda: "the token is not accepted" in log.read_text(), 60)
            assert connected(http) == {"gateway/good"}
            assert tokens["gateway/good"] not in log.read_text()
        finally:
            mesh.kill()


def connected(port: int) -> set[str]:
    headers = {"authorization": f"Bearer {TOKEN}"}
    with contextlib.suppress(httpx.TransportError):
        answer = httpx.get(f"http://127.0.0.1:{port}/v1/proxies", headers=headers, trust_env=False)
        if answer.status_code == 200:  # it is not starting any more
            return {each["id"] for each in answer.json()["proxies"]}
    return set()


# The lead
