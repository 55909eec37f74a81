"""Telemetry from a real Envoy: every attempt counted once, against who was tried, over restarts of both sides."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
import redis.asyncio

from mesh.protos import from_dict
from mesh.sidecar import gateway_bootstrap
from mesh.telemetry.receiver import Telemetry
from mesh.telemetry.shelf import RedisShelf
from mesh.translation import filters
from tests.fakes.shelf import MemoryShelf
from tests.integration.mesh import dataplane as bench

pytestmark = pytest.mark.integration


@contextlib.asynccontextmanager
async def mesh(shelf: Any, port: int) -> AsyncIterator[Telemetry]:
    """A control plane that only takes telemetry."""
    telemetry = Telemetry(shelf, time.time)
    await telemetry.load()
    server = grpc.aio.server()
    server.add_generic_rpc_handlers((telemetry.handler(),))
    assert server.add_insecure_port(f"127.0.0.1:{port}") == port
    await server.start()
    try:
        yield telemetry
    finally:
        await server.stop(None)


@contextlib.contextmanager
def proxy(folder: Path, mesh_port: int, ports: dict[str, int]) -> Iterator[int]:
    """A gateway whose paths lead to versions: /good, /dead, /mix (dead first, then good)."""
    bootstrap = json.loads(gateway_bootstrap("main", "127.0.0.1", 1, mesh_port, 2))
    door = bench.free_port()
    host = bench.virtual_host("all", ["*"])
    mix = bench.route("mix", "/mix")
    mix.route.retry_policy.retry_on = "connect-failure"
    mix.route.retry_policy.num_retries.value = 3
    host.routes.extend(
        [bench.route("dead", "/dead"), mix, bench.route("nowhere", "/nowhere"), bench.route("good", "/")]
    )
    good, dead = ("shop", "reviews", "", "v1"), ("shop", "reviews", "", "v2")
    mixed = bench.cluster("mix", ports["dead"], identity=dead)
    second = bench.cluster("x", ports["app"], identity=good).load_assignment.endpoints[0].lb_endpoints[0]
    mixed.load_assignment.endpoints[0].lb_endpoints.append(second)
    clusters = [
        bench.cluster("good", ports["app"], identity=good),
        bench.cluster("dead", ports["dead"], identity=dead),
        mixed,
        from_dict("envoy.config.cluster.v3.Cluster", bootstrap["static_resources"]["clusters"][0]),
    ]
    listeners = [bench.listener(door, filters.gateway_filters(), bench.route_config(host))]
    extra = {name: bootstrap[name] for name in ("node", "stats_config", "stats_flush_interval", "stats_sinks")}
    with bench.envoy(folder, listeners, clusters, extra):
        yield door


@pytest.fixture
def ports() -> Iterator[dict[str, int]]:
    def app(path: str, headers: list[tuple[str, str]]) -> bench.Answer:
        if path == "/slow":
            time.sleep(0.12)  # the latency that is measured
        return {"/bad": 500, "/reset": 0}.get(path, 200), {}, b"ok"

    with bench.server(app) as app_port:
        yield {"app": app_port, "dead": bench.free_port()}


def send(door: int, *paths: str) -> None:
    for path in paths:
        bench.get(door, path)


async def told(telemetry: Telemetry, **expected: tuple[int, int]) -> dict[str, Any]:
    """Wait until each version has (requests, errors); fail with what was told at last."""
    versions: dict[str, Any] = {}
    for _ in range(500):
        versions = telemetry.read("shop", "reviews", "")["versions"]  # type: ignore[assignment]
        if {version: (one["requests"], one["errors"]) for version, one in versions.items()} == expected:
            return versions
        await asyncio.sleep(0.01)
    raise AssertionError({version: (one["requests"], one["errors"]) for version, one in versions.items()})


async def test_exact_counts_over_restarts_of_both_sides(tmp_path: Path, ports: dict[str, int]) -> None:
    shelf, mesh_port = MemoryShelf(), bench.free_port()
    with proxy(tmp_path, mesh_port, ports) as door:
        async with mesh(shelf, mesh_port) as telemetry:
            await asyncio.to_thread(send, door, *["/"] * 100, *["/bad"] * 10, *["/dead"] * 5, *["/nowhere"] * 3)
            await told(telemetry, v1=(110, 10), v2=(5, 5))
            await asyncio.to_thread(send, door, *["/reset"] * 4)
            await told(telemetry, v1=(114, 14), v2=(5, 5))
        await asyncio.to_thread(send, door, *["/"] * 50)  # while the control plane is away
        async with mesh(shelf, mesh_port) as telemetry:
            await told(telemetry, v1=(164, 14), v2=(5, 5))
    with proxy(tmp_path, mesh_port, ports) as door:
        async with mesh(shelf, mesh_port) as telemetry:
            await asyncio.to_thread(send, door, *["/"] * 7, "/bad")
            await told(telemetry, v1=(172, 15), v2=(5, 5))
            await telemetry.sweep(())
            await told(telemetry, v1=(172, 15), v2=(5, 5))


async def test_a_failed_attempt_counts_against_the_version_that_failed(tmp_path: Path, ports: dict[str, int]) -> None:
    mesh_port = bench.free_port()
    with proxy(tmp_path, mesh_port, ports) as door:
        async with mesh(MemoryShelf(), mesh_port) as telemetry:
            statuses = await asyncio.to_thread(lambda: [bench.get(door, "/mix")[0] for _ in range(20)])
            assert statuses == [200] * 20
            for _ in range(500):
                versions: Any = telemetry.read("shop", "reviews", "-")["versions"]
                if versions.get("v1", {}).get("requests") == 20 and "v2" in versions:
                    break
                await asyncio.sleep(0.01)
            assert versions["v1"]["errors"] == 0
            assert versions["v2"]["errors"] == versions["v2"]["requests"] > 0


async def test_latency_of_each_version(tmp_path: Path, ports: dict[str, int]) -> None:
    mesh_port = bench.free_port()
    with proxy(tmp_path, mesh_port, ports) as door:
        async with mesh(MemoryShelf(), mesh_port) as telemetry:
            await asyncio.to_thread(send, door, *["/"] * 20, *["/slow"] * 5)
            await told(telemetry, v1=(25, 0))
            for _ in range(500):  # a histogram may be one flush behind its counter
                latency = dict(telemetry.read("shop", "reviews", "-")["versions"]["v1"]["latency"])  # type: ignore[index]
                if latency[60_000.0] == 25:
                    break
                await asyncio.sleep(0.01)
            assert latency[100.0] == 20
            assert latency[200.0] == 25


async def test_a_failure_is_told_within_two_seconds(tmp_path: Path, ports: dict[str, int]) -> None:
    mesh_port = bench.free_port()
    with proxy(tmp_path, mesh_port, ports) as door:
        async with mesh(MemoryShelf(), mesh_port) as telemetry:
            await asyncio.to_thread(send, door, "/")
            await told(telemetry, v1=(1, 0))
            before = time.monotonic()
            await asyncio.to_thread(send, door, "/bad")
            await told(telemetry, v1=(2, 1))
            assert time.monotonic() - before < 2


@pytest.fixture
def redis_port(tmp_path: Path) -> Iterator[int]:
    program = Path(sys.executable).with_name("redis-server")
    port = bench.free_port()
    argv = [str(program), "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(tmp_path)]
    process = subprocess.Popen(argv, stdout=subprocess.DEVNULL)

    def listens() -> bool:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 0.1):
            return True
        return False

    try:
        bench.wait_for(listens)
        yield port
    finally:
        process.terminate()
        process.wait()


async def test_redis_keeps_the_totals(redis_port: int) -> None:
    client = redis.asyncio.Redis(port=redis_port)
    shelf = RedisShelf(client, "test:telemetry")
    await shelf.save({"a": "1", "b": "2"})
    await shelf.save({"a": "3"}, ["b"])
    assert await shelf.load() == {"a": "3"}
    await client.aclose()


async def test_a_redis_that_is_away_is_an_os_error() -> None:
    client = redis.asyncio.Redis(port=bench.free_port())
    with pytest.raises(OSError, match="telemetry store"):
        await RedisShelf(client).load()
    await client.aclose()
