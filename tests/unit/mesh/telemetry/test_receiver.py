"""The receiver: what it takes, what it refuses, what it keeps when the store is away."""

from __future__ import annotations

from typing import Any

import grpc
import pytest

from mesh.protos import message
from mesh.telemetry.points import REQUEST, Identity, decode
from mesh.telemetry.receiver import Telemetry
from mesh.translation.metricnames import LATENCY_BOUNDS_US, NODE_HEADER
from tests.fakes.shelf import MemoryShelf


class Aborted(Exception):
    pass


class Call:
    """The side of a gRPC call that the receiver sees."""

    def __init__(self, node: str = "gateway/main") -> None:
        self.node = node
        self.code: grpc.StatusCode | None = None

    def invocation_metadata(self) -> tuple[tuple[str, str], ...]:
        return ((NODE_HEADER, self.node),)

    async def abort(self, code: grpc.StatusCode, details: str) -> None:
        self.code = code
        raise Aborted(details)


def export(requests: int, at: int = 1, **tags: str) -> bytes:
    """An export as Envoy writes it."""
    made = message(REQUEST)()
    metrics = made.resource_metrics.add().scope_metrics.add().metrics
    counter = metrics.add(name="colorlane.requests")
    point = counter.sum.data_points.add(as_int=requests, start_time_unix_nano=1, time_unix_nano=at)
    values = {"namespace": "shop", "service": "reviews", "color": "-", "version": "v1", "code": "200", "flags": "-"}
    for key, value in (values | tags).items():
        point.attributes.add(key=key).value.string_value = value
    foreign = metrics.add(name="cluster.upstream_rq")
    foreign.sum.data_points.add(as_int=9)
    return bytes(made.SerializeToString())


def requests_of(telemetry: Telemetry) -> int:
    versions: Any = telemetry.read("shop", "reviews", "-")["versions"]
    return int(versions.get("v1", {"requests": 0})["requests"])


async def test_nothing_is_taken_before_what_was_kept_is_loaded() -> None:
    telemetry, call = Telemetry(MemoryShelf(), lambda: 1.0), Call()
    with pytest.raises(Aborted):
        await telemetry._export(export(3), call)
    assert call.code is grpc.StatusCode.UNAVAILABLE


async def test_rubbish_is_refused() -> None:
    telemetry, call = Telemetry(MemoryShelf(), lambda: 1.0), Call()
    await telemetry.load()
    with pytest.raises(Aborted):
        await telemetry._export(b"\xff\xff\xff", call)
    assert call.code is grpc.StatusCode.INVALID_ARGUMENT


async def test_totals_survive_a_restart_of_the_mesh() -> None:
    shelf = MemoryShelf()
    first = Telemetry(shelf, lambda: 1.0)
    await first.load()
    await first._export(export(3), Call())
    second = Telemetry(shelf, lambda: 2.0)
    await second.load()
    assert requests_of(second) == 3
    await second._export(export(5, at=2), Call())
    assert requests_of(second) == 5


async def test_a_store_that_is_away_costs_nothing_once_it_is_back() -> None:
    shelf = MemoryShelf()
    telemetry = Telemetry(shelf, lambda: 1.0)
    await telemetry.load()
    shelf.broken = True
    await telemetry._export(export(3), Call())
    shelf.broken = False
    await telemetry.sweep([Identity("shop", "reviews", "-", "v1")])
    again = Telemetry(shelf, lambda: 2.0)
    await again.load()
    assert requests_of(again) == 3


async def test_a_sidecar_counts_for_its_own_namespace_only() -> None:
    telemetry = Telemetry(MemoryShelf(), lambda: 1.0)
    await telemetry.load()
    await telemetry._export(export(3), Call("bank/web/-/v1/web-1"))
    assert requests_of(telemetry) == 0
    await telemetry._export(export(3), Call("shop/web/-/v1/web-1"))
    assert requests_of(telemetry) == 3


async def test_an_idle_proxy_writes_nothing() -> None:
    shelf = MemoryShelf()
    telemetry = Telemetry(shelf, lambda: 1.0)
    await telemetry.load()
    for at in range(1, 5):
        await telemetry._export(export(3, at=at), Call())
    assert shelf.saves == 1


def test_endpoints_outside_of_the_mesh_are_skipped() -> None:
    assert decode(export(1, namespace="-", service="-", color="-", version="-")) == []
    assert len(decode(export(1))) == 1


def test_buckets_of_another_release_count_where_they_fit() -> None:
    made = message(REQUEST)()
    metric = made.resource_metrics.add().scope_metrics.add().metrics.add(name="colorlane.latency")
    point = metric.histogram.data_points.add(bucket_counts=[1, 2, 4], explicit_bounds=[900, 70_000_000])
    for key, value in {"namespace": "shop", "service": "reviews", "color": "-", "version": "v1"}.items():
        point.attributes.add(key=key).value.string_value = value
    (decoded,) = decode(made.SerializeToString())
    assert decoded.values[0] == 1
    assert decoded.values[len(LATENCY_BOUNDS_US)] == 6
