"""The follower of the Gateway API: what is said stands once in the cluster, and one replica alone says it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import pytest

from mesh.errors import NotFound
from mesh.model.nouns import Namespace
from mesh.sources.kubernetes.gatewayapi import GatewayApi, Surroundings
from tests.fakes.gateway_objects import CLASS, Item, gateway, lookup, route
from tests.fakes.kube_collection import Collection


class Cluster:
    """An API server with one collection a kind; a written status comes back by the watch."""

    def __init__(self) -> None:
        self.kinds = {name: Collection() for name in ("gatewayclasses", "gateways", "httproutes")}
        self.written: list[tuple[str, Item]] = []
        for kind, item in (("gatewayclasses", CLASS), ("gateways", gateway()), ("httproutes", route())):
            self.put(kind, item)

    def put(self, kind: str, item: Item) -> None:
        collection = self.kinds[kind]
        name = item["metadata"]["name"]
        collection.put(name)
        whole = {**item, "metadata": {**item["metadata"], "resourceVersion": str(collection.version)}}
        collection.items[name].clear()
        collection.items[name].update(whole)

    async def get(self, path: str, query: Any = None) -> Item:
        return await self.kinds[path.rpartition("/")[2]].get(path, query)

    def events(self, path: str, query: Any, *, silence: float) -> Any:
        return self.kinds[path.rpartition("/")[2]].events(path, query, silence=silence)

    async def renew_credentials(self) -> None:
        raise AssertionError("nobody refused")

    async def apply(self, path: str, body: Mapping[str, Any], *, force: bool = True) -> Item:
        self.written.append((path, body["status"]))
        kind = next(kind for kind in self.kinds if f"/{kind}/" in path)
        self.put(kind, {**self.kinds[kind].items[body["metadata"]["name"]], "status": body["status"]})
        return dict(body)


class Without(Cluster):
    """An API server without the CRDs."""

    async def get(self, path: str, query: Any = None) -> Item:
        raise NotFound("no such kind")


class Bench:
    """A follower, what it exposes, and who it thinks it is."""

    def __init__(self, *, leads: bool = True, cluster: Cluster | None = None) -> None:
        self.cluster, self.exposed, self.looks = cluster or Cluster(), list[Namespace](), 0
        self.looked = asyncio.Event()
        self.waiting = ["gateway/main: has not acknowledged it yet"]
        around = Surroundings(lookup, dict, self.expose, self.who, lambda: leads, lambda: "2026-11-22T10:00:00Z")
        self.follower = GatewayApi(self.cluster, around, clock=lambda: 0.0)

    def expose(self, namespaces: Iterable[Namespace]) -> None:
        self.exposed, self.looks = list(namespaces), self.looks + 1
        self.looked.set()

    async def who(self) -> list[str]:
        self.looked.set()
        return self.waiting

    async def run(self, until: Callable[[], bool]) -> None:
        task = asyncio.create_task(self.follower.run())
        async with asyncio.timeout(20):
            while not until():
                self.looked.clear()
                await self.looked.wait()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_each_status_is_written_once_for_each_thing_that_it_has_to_say() -> None:
    bench = Bench()
    await bench.run(lambda: bench.looks > 4 and len(bench.cluster.written) >= 3)
    assert sorted(path.rpartition("/v1/")[2] for path, _ in bench.cluster.written) == [
        "gatewayclasses/colorlane/status",
        "namespaces/shop/gateways/main/status",
        "namespaces/shop/httproutes/web/status",
    ]
    bench.waiting, looks = [], bench.looks
    await bench.run(lambda: bench.looks > looks + 3 and len(bench.cluster.written) >= 5)
    assert len(bench.cluster.written) == 5  # the Gateway and the route are programmed now
    assert [each.domain for each in bench.exposed] == ["shop.test"]


async def test_a_replica_that_does_not_lead_exposes_and_says_nothing() -> None:
    bench = Bench(leads=False)
    await bench.run(lambda: bench.looks > 2)
    assert [each.domain for each in bench.exposed] == ["shop.test"]
    assert bench.cluster.written == []


@pytest.mark.parametrize(("cluster", "domains"), [(Cluster, ["shop.test"]), (Without, [])])
async def test_the_mesh_may_serve_once_hosts_are_exposed_or_there_can_be_none(
    cluster: type[Cluster], domains: list[str]
) -> None:
    bench = Bench(leads=False, cluster=cluster())
    task = asyncio.create_task(bench.follower.run())
    async with asyncio.timeout(20):
        await bench.follower.wait_exposed()
    assert [each.domain for each in bench.exposed] == domains
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
