"""Kill at each write: after the next life has adopted and swept, the world is as if nothing had happened."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import structlog

from delivery.rollouts.model import Pause, SetWeight, Strategy
from tests.fakes.world import FakeWorld


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    with structlog.testing.capture_logs():
        yield


def instant() -> FakeWorld:
    shop = FakeWorld()
    shop.forge.push("main", "c1", page="1", reviews="1")
    return shop


def canary() -> FakeWorld:
    shop = FakeWorld(Strategy(steps=(SetWeight(10), Pause(1.0), SetWeight(50), Pause(1.0))))
    shop.forge.push("main", "c1", page="1", reviews="1")
    shop.settle(6)
    shop.forge.push("main", "c2", reviews="2")
    return shop


def preview() -> FakeWorld:
    shop = instant()
    shop.settle(6)
    shop.forge.push("alice", "c2", reviews="2")
    return shop


def deletion() -> FakeWorld:
    shop = preview()
    shop.settle(6)
    del shop.forge.branches["alice"]
    return shop


def withdrawal() -> FakeWorld:
    shop = preview()
    shop.settle(6)
    shop.forge.push("alice", "c3", reviews="1", page="2")
    return shop


def end_state(shop: FakeWorld) -> dict[str, Any]:
    """What people and users can tell: numbers of generations, of attempts and of runs may differ."""
    return {
        "runs": [(run.revision, run.state, run.message) for run in shop.store.runs.find()],
        "jobs": [(job.service, job.key, job.state, job.artifact) for job in shop.store.jobs.find()],
        "environments": [(row.id, row.state, dict(row.workloads)) for row in shop.store.environments.find()],
        "rollouts": [(row.service, row.candidate, row.phase, row.weight) for row in shop.store.rollouts.find()],
        "weights": {lane: (intent.stable, intent.weights) for lane, intent in shop.traffic.intents.items()},
        "lanes": shop.traffic.environments,
        "workloads": sorted(shop.platform.specs),
        "statuses": {row.id: (row.state, row.description) for row in shop.store.statuses.find()},
        "last told": {(revision, name): state for revision, name, state, _ in shop.forge.told},
        "artifacts": shop.builds.artifacts,
        "leases": shop.store.leases,
    }


def outcome(make: Callable[[], FakeWorld], fuse: int) -> tuple[dict[str, Any], int, bool]:
    shop = make()
    before, shop.fuse = shop.writes, fuse
    shop.settle(20)
    return end_state(shop), shop.writes - before, shop.fuse <= 0 and shop.lives > 1


@pytest.mark.parametrize("make", [instant, canary, preview, deletion, withdrawal], ids=lambda make: make.__name__)
def test_killed_at_any_write_it_ends_the_same(make: Callable[[], FakeWorld]) -> None:
    expected, writes, _ = outcome(make, -1)
    assert writes > 10
    for fuse in range(writes):
        found, _, killed = outcome(make, fuse)
        assert killed, f"write {fuse} was never reached"
        assert found == expected, f"killed at write {fuse} of {writes}"
