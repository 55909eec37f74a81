"""The caBundle follows the roots, whoever else writes at the same moment."""

from __future__ import annotations

import asyncio
import copy
from typing import Any, cast

import pytest

from mesh.apiserver import ApiServer
from mesh.errors import Conflict, NotFound
from mesh.webhook import Endpoint, Registration, webhook_configuration


class Cluster:
    """An API server with one object; `meddle` runs before each write, as another replica would."""

    def __init__(self) -> None:
        self.object: dict[str, Any] | None = webhook_configuration(Endpoint())
        self.object["metadata"]["resourceVersion"] = "1"
        self.writes = 0
        self.meddle: list[bytes] = []

    async def get(self, path: str) -> dict[str, Any]:
        assert path.endswith("/mutatingwebhookconfigurations/colorlane-sidecar")
        if self.object is None:
            raise NotFound("no")
        return copy.deepcopy(self.object)

    async def send(self, method: str, _path: str, body: dict[str, Any]) -> None:
        assert method == "PUT"
        assert self.object is not None
        if self.meddle:
            self.object = webhook_configuration(Endpoint(), bundle=self.meddle.pop())
            self.object["metadata"]["resourceVersion"] = str(self.writes + 2)
        if body["metadata"]["resourceVersion"] != self.object["metadata"]["resourceVersion"]:
            raise Conflict("newer")
        self.writes += 1
        self.object = body


def registration(cluster: Cluster, bundle: bytes = b"roots") -> Registration:
    return Registration(cast(ApiServer, cluster), lambda: bundle)


async def test_the_bundle_is_set_once_and_then_left() -> None:
    cluster = Cluster()
    mine = registration(cluster)
    assert await mine.settle()
    assert not await mine.settle()
    assert cluster.object == webhook_configuration(Endpoint(), bundle=b"roots") | {
        "metadata": cluster.object["metadata"]
    }
    assert mine.state == "registered"


async def test_the_replica_that_comes_second_finds_it_done() -> None:
    cluster = Cluster()
    cluster.meddle = [b"roots"]
    assert not await registration(cluster).settle()
    assert cluster.writes == 0


async def test_an_absent_configuration_is_said_with_what_to_do() -> None:
    cluster = Cluster()
    cluster.object = None
    with pytest.raises(NotFound) as refused:
        await registration(cluster).settle()
    assert "no sidecar by themselves" in refused.value.message
    assert "colorlane mesh inject" in refused.value.remedy


async def test_replicas_that_know_different_roots_do_not_write_in_a_circle(monkeypatch: pytest.MonkeyPatch) -> None:
    """Until both have read the vault again: each write is followed by a rest."""
    cluster, rests = Cluster(), list[float]()
    mine = registration(cluster)

    async def rest(seconds: float) -> None:
        rests.append(seconds)
        if len(rests) == 3:
            raise asyncio.CancelledError

    async def changed() -> None:
        cluster.object = webhook_configuration(Endpoint(), bundle=b"the other's")
        cluster.object["metadata"]["resourceVersion"] = "9"

    monkeypatch.setattr("mesh.webhook.registration.asyncio.sleep", rest)
    monkeypatch.setattr(mine, "_next_change", changed)
    with pytest.raises(asyncio.CancelledError):
        await mine.keep()
    assert cluster.writes == 3
