"""Redis, mesh, gateway and agent together: a workload is ready, met by users, changed and removed without a failure."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import threading
import time
from pathlib import Path

import httpx
import pytest

from delivery.adapters.platform_local import LocalPlatform
from delivery.embedded.description import describe
from delivery.embedded.stack import Stack
from delivery.embedded.supervisor import Supervisor
from delivery.errors import Transient
from delivery.settings import Settings
from delivery.workloads import Health
from tests.fakes.workloads import workload
from tests.integration.embedded.supervised import free_ports

pytestmark = pytest.mark.integration
INNER = ("redis", "mesh", "gateway", "agent")


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    api, gateway, xds, mesh = free_ports(4)
    return Settings(state_dir=tmp_path, api_port=api, gateway_port=gateway, xds_port=xds, mesh_port=mesh)


@contextlib.asynccontextmanager
async def inner_stack(settings: Settings):
    """Run the part of the stack below delivery."""
    stack = Stack(settings)
    layout, redis_url = stack.lay_out()
    parts = [each for each in describe(layout) if each.name in INNER]
    supervisor = Supervisor(stack.state_dir, parts, stack.environment(redis_url))
    try:
        await supervisor.start(lambda line: None)
        yield supervisor
    finally:
        await supervisor.stop()


async def until(condition, seconds=20.0):
    deadline = time.monotonic() + seconds
    while True:
        with contextlib.suppress(Transient, httpx.TransportError):
            value = condition()
            if inspect.isawaitable(value):
                value = await value
            if value:
                return value
        assert time.monotonic() < deadline, "condition did not come true in time"
        await asyncio.sleep(0.01)


class Users:
    """Calls the page all the time and counts what fails."""

    def __init__(self, gateway_port: int) -> None:
        self.answers: list[int] = []
        self._url, self._done = f"http://127.0.0.1:{gateway_port}/", threading.Event()
        self._thread = threading.Thread(target=self._call)

    def __enter__(self) -> Users:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()

    def _call(self) -> None:
        with httpx.Client(trust_env=False, headers={"host": "bookshop.localhost"}) as client:
            while not self._done.wait(0.01):
                self.answers.append(client.get(self._url).status_code)


async def test_users_meet_a_workload_through_the_mesh_and_none_fails(settings):
    platform, mesh = LocalPlatform(settings.state_dir), httpx.AsyncClient(base_url=settings.mesh, trust_env=False)
    headers = {"host": "bookshop.localhost"}
    gateway = httpx.AsyncClient(base_url=f"http://127.0.0.1:{settings.gateway_port}", trust_env=False, headers=headers)

    async def page_answers():
        return (await gateway.get("/")).status_code == 200

    async def programmed():
        return (await mesh.get("/v1/intents/bookshop/productpage/-")).json()["programmed"]

    first = workload(settings.state_dir, color="", service="productpage")
    second = workload(settings.state_dir, color="", service="productpage", version="v2")
    async with inner_stack(settings) as stack:
        domain = {"domain": "bookshop.localhost", "entry": {"service": "productpage", "port": 9080}}
        assert (await mesh.put("/v1/namespaces/bookshop", json=domain)).is_success
        platform.apply(first)
        await until(lambda: platform.status(first.key).health is Health.READY)
        intent = {"generation": 1, "stable": "v1", "weights": {"v1": 100}}
        assert (await mesh.put("/v1/intents/bookshop/productpage/-", json=intent)).is_success
        await until(page_answers)
        with Users(settings.gateway_port) as users:
            platform.apply(second)
            await until(lambda: platform.status(second.key).health is Health.READY)
            before = stack.process_of("agent").pid
            stack.process_of("agent").signal(9)
            await until(lambda: stack.process_of("agent") and stack.process_of("agent").pid != before)
            intent = {"generation": 2, "stable": "v2", "weights": {"v2": 100}}
            assert (await mesh.put("/v1/intents/bookshop/productpage/-", json=intent)).is_success
            await until(programmed)
            platform.remove(first.key, generation=2)
            await until(lambda: platform.status(first.key).health is Health.ABSENT)
        assert len(users.answers) > 20
        assert set(users.answers) == {200}
