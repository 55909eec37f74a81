"""The roll of the mesh's replicas on a real Redis: who lives, who went, whose proxies are owed, who leads."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
import redis.asyncio as redis

from mesh.errors import Transient
from mesh.model.replicas import Roll
from mesh.sources.replicas import RedisReplicas
from mesh.telemetry.shelf import RedisShelf
from tests.fakes.background import running_redis

pytestmark = pytest.mark.integration


@pytest.fixture
async def client(tmp_path: Path) -> AsyncIterator[redis.Redis]:
    with running_redis(tmp_path) as url:
        made = redis.Redis.from_url(url, decode_responses=True)
        yield made
        await made.aclose()


def replica(client: redis.Redis, name: str) -> RedisReplicas:
    return RedisReplicas(client, name, f"http://{name}", lease=0.5, grace=2.0)


async def until(one: RedisReplicas, condition: Callable[[Roll], bool]) -> Roll:
    """Beat until the roll is as it should be."""
    async with asyncio.timeout(10):
        while True:
            roll = await one.beat([], None)
            if condition(roll):
                return roll
            await asyncio.sleep(0.02)


async def test_a_replica_that_is_silent_goes_and_its_proxies_are_owed_for_a_while(client: redis.Redis) -> None:
    one, two = replica(client, "one"), replica(client, "two")
    await two.beat(["gateway/main"], {"gateway/main": "", "shop/a/-/v/0": "shop"})
    roll = await one.beat([], {})
    assert (roll.live, roll.owed, roll.leader) == ({"two": "http://two"}, {}, "two")
    roll = await until(one, lambda roll: not roll.live)
    assert roll.owed == {"gateway/main": "", "shop/a/-/v/0": "shop"}
    assert roll.gateways["gateway/main"] >= 0.5
    roll = await until(one, lambda roll: not roll.owed)
    assert (roll.leader, roll.term) == ("one", 2)


async def test_one_that_leaves_is_gone_at_once_and_another_leads(client: redis.Redis) -> None:
    one, two = replica(client, "one"), replica(client, "two")
    await two.beat([], {"shop/a/-/v/0": "shop"})
    await two.leave()
    roll = await one.beat([], {})
    assert (roll.live, roll.owed, roll.leader) == ({}, {"shop/a/-/v/0": "shop"}, "one")


async def test_a_lead_that_lapsed_without_another_leader_is_the_same_term(client: redis.Redis) -> None:
    one = replica(client, "one")
    first = await one.beat([], {})
    await client.delete("colorlane:mesh:leader")  # what its expiry does
    assert (await one.beat([], None)).term == first.term


async def test_only_the_leader_may_keep_counts(client: redis.Redis) -> None:
    await replica(client, "one").beat([], {})
    shelves = {name: RedisShelf(client, leader=("colorlane:mesh:leader", name)) for name in ("one", "two")}
    await shelves["one"].save({"a": "1", "b": "2"})
    await shelves["one"].save({"a": "3"}, ["b"])
    with pytest.raises(OSError, match="another replica counts"):
        await shelves["two"].save({"a": "9"})
    assert await shelves["two"].load() == {"a": "3"}


async def test_without_redis_there_is_no_roll() -> None:
    away = redis.Redis(port=1)
    with pytest.raises(Transient, match="does not answer"):
        await RedisReplicas(away, "one", "http://one").beat([], {})
    await away.aclose()
