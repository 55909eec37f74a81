"""The simulated world is deterministic and adds up."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from delivery.intents import Intent
from delivery.rollouts.model import AskTraffic, Phase, Rollout, SetWeight
from delivery.rollouts.simulation import Version, World
from delivery.workloads import Health

Build = Callable[..., Rollout]


def test_fractions_of_requests_add_up() -> None:
    version = Version(errors=0.05)
    for _ in range(100):
        version.answer(0.5)
    counts = version.counts()
    assert (counts.requests, counts.errors) == (50, 2)
    assert counts.latency[-1][1] == 50
    assert [count for _, count in counts.latency] == sorted(count for _, count in counts.latency)


@pytest.mark.parametrize(("added", "fast"), [(0.0, 100), (300.0, 0)])
def test_added_latency_moves_the_histogram(added: float, fast: int) -> None:
    version = Version(added=added)
    version.answer(100)
    assert dict(version.counts().latency)[250.0] == pytest.approx(fast, abs=1)


def test_requests_follow_the_weights_the_mesh_holds(rollout: Build) -> None:
    world = World(rollout())
    world.perform(AskTraffic(Intent("shop", "reviews", "", 7001, "old", {"old": 75, "new": 25})))
    world.perform(AskTraffic(Intent("shop", "reviews", "", 7000, "old", {"old": 0, "new": 100})))
    world.pass_time(10.0)
    assert world.versions["candidate"].answered == 125.0


def test_a_crashed_tick_reaches_the_mesh_but_not_the_row(rollout: Build) -> None:
    world = World(rollout((SetWeight(10),)), now=1000.0, candidate=Health.READY)
    world.tick(save=False)
    assert world.rollout.phase is Phase.DEPLOYING
    assert world.mesh is not None
    world.tick()
    assert world.rollout.phase is Phase.PROGRESSING
    assert world.mesh.generation == world.rollout.generation
