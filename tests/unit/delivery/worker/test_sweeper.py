"""The sweeper: what it nudges, how often, and that only one of many sweeps."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest

from delivery.flows.detect_pushes import detect_pushes
from delivery.worker.sweeper import Pace, Sweeper
from tests.fakes.world import FakeWorld


@pytest.fixture
def shop() -> FakeWorld:
    shop = FakeWorld()
    shop.forge.push("main", "c1", page="1")
    return shop


def sweeper(shop: FakeWorld, sent: list[tuple[str, str]]) -> Sweeper:
    return Sweeper(shop.world, Pace(), lambda task, id: sent.append((task, id)), lambda owner: False)


def test_due_rows_are_nudged_and_not_again_at_once(shop: FakeWorld) -> None:
    sent: list[tuple[str, str]] = []
    detect_pushes(shop.world, "shop")
    sweep = sweeper(shop, sent)
    sweep.round(100.0)
    delivery = shop.store.deliveries.find()[0].id
    assert sent == [("process_delivery", delivery), ("detect_pushes", "shop")]
    sweep.round(100.5)
    assert len(sent) == 2
    sweep.round(101.1)
    assert sent[2:] == [("process_delivery", delivery)]


def test_rollouts_are_ticked_by_their_heat(shop: FakeWorld) -> None:
    shop.settle(1)  # promoting: it waits for requests in flight
    sent: list[tuple[str, str]] = []
    sweep = sweeper(shop, sent)
    for tenth in range(10):
        sweep.round(100.0 + tenth / 10)
    assert sent.count(("advance_rollout", "shop.1.page")) == 10


def test_history_is_looked_at_once_an_hour(shop: FakeWorld) -> None:
    sent: list[tuple[str, str]] = []
    sweep = sweeper(shop, sent)
    start = time.monotonic()
    for minute in range(125):
        shop.clock.pass_(60)
        sweep.round(start + 60 * minute)
    assert sent.count(("forget_history", "")) == 2


def test_of_two_sweepers_one_sweeps_until_it_is_gone(shop: FakeWorld) -> None:
    detect_pushes(shop.world, "shop")
    first: list[tuple[str, str]] = []
    second: list[tuple[str, str]] = []
    one, two = sweeper(shop, first), sweeper(shop, second)
    one.round(100.0)
    two.round(100.0)
    assert first
    assert not second
    shop.clock.pass_(4)
    two.round(104.0)
    assert second


def test_leases_of_dead_processes_are_given_back(shop: FakeWorld) -> None:
    dead = replace(shop.world, owner="dead/1/2")
    assert shop.store.claim("rollout/x", f"{dead.owner}#1", 1000.0, shop.clock.now())
    sweep = Sweeper(shop.world, Pace(), lambda task, id: None, lambda owner: owner == "dead/1/2")
    sweep.round(100.0)
    assert shop.store.claim("rollout/x", "alive", 1.0, shop.clock.now())
