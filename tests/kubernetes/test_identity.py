"""The mesh's roots in a Secret: replicas that start at once agree, a Secret made beforehand is filled and kept."""

from __future__ import annotations

import asyncio
import base64

import pytest

from mesh.apiserver import ApiServer, Denied
from mesh.identity import Authority, SecretVault
from tests.kubernetes.connection import Connection


async def opened(cluster: Connection, namespace: str, replicas: int) -> list[bytes]:
    apis = [ApiServer(str(cluster.kubeconfig)) for _ in range(replicas)]
    try:
        made = await asyncio.gather(*(Authority.open(SecretVault(api, namespace)) for api in apis))
    finally:
        await asyncio.gather(*(api.close() for api in apis))
    return [authority.bundle() for authority in made]


async def test_replicas_that_start_at_once_have_one_root(cluster: Connection, namespace: str) -> None:
    first = await opened(cluster, namespace, 4)
    assert len(set(first)) == 1
    assert await opened(cluster, namespace, 1) == first[:1]
    secret = await asyncio.to_thread(cluster.get, "secrets", "colorlane-mesh-ca", namespace)
    assert base64.b64decode(secret["data"]["ca.crt"]) == first[0]


async def test_a_secret_made_beforehand_is_filled_and_keeps_its_labels(cluster: Connection, namespace: str) -> None:
    metadata = {"name": "colorlane-mesh-ca", "labels": {"team": "platform"}}
    empty = {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "type": "Opaque"}
    await asyncio.to_thread(lambda: cluster.apply(empty, namespace=namespace))
    bundles = await opened(cluster, namespace, 3)
    assert len(set(bundles)) == 1
    await asyncio.to_thread(lambda: cluster.apply(empty, namespace=namespace))  # the installation is applied again
    assert await opened(cluster, namespace, 1) == bundles[:1]
    secret = await asyncio.to_thread(cluster.get, "secrets", "colorlane-mesh-ca", namespace)
    assert secret["metadata"]["labels"] == {"team": "platform"}


async def test_a_missing_right_is_said(cluster: Connection, namespace: str) -> None:
    kubeconfig = await asyncio.to_thread(cluster.service_account_kubeconfig, namespace, "nobody")
    api = ApiServer(str(kubeconfig))
    with pytest.raises(Denied, match="cannot get resource"):
        await Authority.open(SecretVault(api, namespace))
    await api.close()
