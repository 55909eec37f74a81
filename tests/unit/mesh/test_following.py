"""Programmed, as the leading replica says it: gateways of all replicas have taken what is exposed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mesh.apiserver import ApiServer
from mesh.following import Cluster
from mesh.model.nouns import Namespace
from mesh.model.replicas import Roll
from mesh.model.world import World
from mesh.serving.fleet import Fleet
from mesh.serving.hub import Hub

SHOP = Namespace("shop", "shop.test", "web", 80, "HTTPRoute shop/web")
GATEWAY = {"id": "gateway/b", "namespace": "", "synced": True}
SIDECAR = {"id": "shop/web/-/v1/web-1", "namespace": "shop", "synced": False}


class Others:
    """Another replica: what it answers, None for nothing."""

    def __init__(self) -> None:
        self.answer: dict[str, Any] | None = None
        self.asked = 0

    async def ask(self, url: str, path: str, query: Mapping[str, str]) -> Mapping[str, Any] | None:
        assert (url, path) == ("http://b", "proxies")
        self.asked += 1
        return self.answer

    async def close(self) -> None:
        """Nothing is open."""


def leading(others: Others) -> Cluster:
    fleet = Fleet(Hub(World().with_sourced([SHOP])), others, "a")
    fleet.roll = Roll(live={"b": "http://b"}, leader="a")
    return Cluster(ApiServer(), fleet, lambda: 0.0, lambda *_: True)


async def test_it_waits_for_the_other_replicas_and_their_gateways() -> None:
    others = Others()
    cluster = leading(others)
    assert await cluster.waiting() == ["mesh replica b: does not answer"]
    others.answer = {"proxies": [SIDECAR], "exposed": World().with_sourced([SHOP]).exposures()}
    assert await cluster.waiting() == ["no gateway is connected"]
    others.answer["proxies"] = [SIDECAR, {**GATEWAY, "synced": False}]
    assert await cluster.waiting() == ["gateway/b: has not acknowledged it yet"]
    others.answer["proxies"] = [SIDECAR, GATEWAY]
    assert await cluster.waiting() == []
    others.answer["proxies"] = [{**GATEWAY, "synced": False}]
    assert await cluster.waiting() == []  # a later change is no matter


async def test_a_gateway_is_not_believed_while_its_replica_has_not_seen_the_route() -> None:
    others = Others()
    others.answer = {"proxies": [GATEWAY], "exposed": []}
    assert await leading(others).waiting() == ["mesh replica b: has not taken the change yet"]
