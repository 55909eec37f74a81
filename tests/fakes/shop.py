"""Shorthands for stories of a project in `FakeWorld`: its newest runs and rollouts, its users."""

from __future__ import annotations

from delivery.rollouts.model import TERMINAL, Analysis, Pause, Rollout, SetWeight, Strategy
from pipelines.runs import Run
from tests.fakes.world import FakeWorld

CANARY = Strategy(steps=(SetWeight(10), Analysis(300.0), Pause(None), SetWeight(50), Pause(2.0), SetWeight(100)))


def canary_shop() -> FakeWorld:
    """Return a project whose first release runs and whose changes go by steps."""
    shop = FakeWorld(CANARY)
    shop.forge.push("main", "c1", page="1", reviews="1")
    shop.settle(5)
    return shop


def run_of(shop: FakeWorld, revision: str) -> Run:
    """Return the newest run of a revision."""
    return shop.store.runs.find(revision=revision, newest_first=True)[0]


def rollout_of(shop: FakeWorld, revision: str) -> Rollout:
    """Return the newest rollout of a revision."""
    return shop.store.rollouts.find(revision=revision, newest_first=True)[0]


def stable(shop: FakeWorld, service: str = "reviews", environment: str = "shop/production") -> str:
    """Return the version that an environment serves."""
    return shop.store.environments.get(environment).workloads[service]


def serve(shop: FakeWorld, rollout: Rollout, errors: float, rounds: int) -> None:
    """Let both versions answer 50 requests in each half second, for so long or until the rollout has ended."""
    for _ in range(rounds):
        if shop.store.rollouts.get(rollout.id).phase in TERMINAL:
            shop.settle(1)  # its run ends after it
            return
        lane = (rollout.project, rollout.service, rollout.color)
        shop.metrics.add(lane, rollout.stable, 50, 0)
        shop.metrics.add(lane, rollout.candidate, 50, round(50 * errors))
        shop.settle(0.5)
