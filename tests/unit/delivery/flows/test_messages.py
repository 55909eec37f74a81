"""Messages are nudges: all lost, all doubled, or worked on by many threads at once, the end is the same."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import structlog

from delivery.adapters.clock_system import SystemClock
from delivery.adapters.store_sql import SqlStore
from delivery.flows.register_project import register_project
from delivery.flows.sweep import due_rollouts, due_rows
from delivery.flows.world import World
from delivery.rollouts.model import Phase
from delivery.worker.tasks import perform
from pipelines.runs import RunState
from tests.fakes.background import wait_for
from tests.fakes.world import FakeWorld


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    with structlog.testing.capture_logs():
        yield


class Deaf(FakeWorld):
    """Loses every message."""

    def wake(self, task: str, id: str) -> None:
        self.writes += 0


class Echo(FakeWorld):
    """Doubles every message, the second after everything else."""

    def wake(self, task: str, id: str) -> None:
        self.queue.appendleft((task, id))
        if self.queue.count((task, id)) < 2:
            self.queue.append((task, id))


@pytest.mark.parametrize("kind", [FakeWorld, Deaf, Echo])
def test_lost_and_doubled_messages_change_nothing(kind: type[FakeWorld]) -> None:
    shop = kind()
    shop.forge.push("main", "c1", page="1", reviews="1")
    shop.settle(8)
    shop.forge.push("alice", "c2", reviews="2")
    shop.settle(8)
    assert [run.state for run in shop.store.runs.find()] == [RunState.SUCCEEDED] * 2
    assert sorted(shop.builds.built) == ["page", "reviews", "reviews"]
    assert [rollout.phase for rollout in shop.store.rollouts.find()] == [Phase.PROMOTED] * 3
    assert len(shop.store.releases.find()) == 3


def test_many_workers_on_one_database_do_each_thing_once(tmp_path: Path) -> None:
    shop = FakeWorld()
    store = SqlStore(f"sqlite:///{tmp_path / 'state.db'}")
    world = replace(shop.world, store=store, clock=SystemClock(), wake=lambda task, id: None, logs=tmp_path)
    register_project(world, "mall")
    shop.forge.push("main", "c1", page="1", reviews="1")
    shop.forge.push("alice", "c2", reviews="2")
    stop = threading.Event()
    workers = [threading.Thread(target=work, args=(world, stop)) for _ in range(4)]
    for worker in workers:
        worker.start()
    try:
        wait_for("both runs", lambda: [run.state for run in store.runs.find()] == [RunState.SUCCEEDED] * 2, 60)
    finally:
        stop.set()
        for worker in workers:
            worker.join(10)
    assert sorted(shop.builds.built) == ["page", "reviews", "reviews"]
    assert [run.number for run in store.runs.find()] == [1, 2]
    assert len(store.rollouts.find()) == 3
    assert not store.owners()
    intents = {lane: intent.weights for lane, intent in shop.traffic.intents.items()}
    assert all(list(weights.values()) == [100] for weights in intents.values())
    store.close()


def work(world: World, stop: threading.Event) -> None:
    """Do whatever is due, as often as the others do."""
    while not stop.is_set():
        perform(world, "detect_pushes", "mall")
        for rollout, _ in due_rollouts(world):
            perform(world, "advance_rollout", rollout)
        for task, id in list(due_rows(world)):
            perform(world, task, id)
        time.sleep(0.05)
