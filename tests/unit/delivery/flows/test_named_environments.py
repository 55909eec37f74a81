"""Environments bound to one branch: a colour of their own name, their strategy in their lane, and moves."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import structlog

from delivery.environments import EnvironmentState
from delivery.flows.operate_rollout import approve_rollout
from delivery.rollouts.model import Pause, Phase, SetWeight, Strategy
from pipelines.runs import RunState
from tests.fakes.world import FakeWorld


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    with structlog.testing.capture_logs():
        yield


@pytest.fixture
def shop() -> FakeWorld:
    """Production runs; the branch develop is bound to the environment staging."""
    shop = FakeWorld(Strategy(steps=(SetWeight(50), Pause(None))))
    shop.builds.named = {"develop": "staging"}
    shop.forge.push("main", "c1", page="1", reviews="1")
    shop.settle(5)
    shop.forge.push("develop", "c2", reviews="2")
    shop.settle(5)
    return shop


def state_of(shop: FakeWorld, revision: str) -> tuple[RunState, str]:
    run = shop.store.runs.find(revision=revision)[0]
    return run.state, run.message


def colors(shop: FakeWorld) -> dict[str, str]:
    return {row.color: row.branch for row in shop.store.environments.find() if row.color}


def test_it_has_its_name_as_colour_and_what_the_branch_changes(shop: FakeWorld) -> None:
    staging = shop.store.environments.get("shop/staging")
    assert (staging.color, staging.branch, staging.expires_at) == ("staging", "develop", None)
    assert staging.url == "http://staging.shop.localhost:8080/"
    assert list(staging.workloads) == ["reviews"]
    assert state_of(shop, "c2")[0] is RunState.SUCCEEDED, "the first release of a lane replaces nothing"


def test_later_releases_go_by_its_strategy_in_its_lane(shop: FakeWorld) -> None:
    production = shop.store.environments.get("shop/production").workloads
    first = shop.store.environments.get("shop/staging").workloads["reviews"]
    shop.forge.push("develop", "c3", reviews="3")
    shop.settle(5)
    rollout = shop.store.rollouts.find(revision="c3")[0]
    assert (rollout.phase, rollout.weight, rollout.color) == (Phase.PROGRESSING, 50, "staging")
    assert rollout.stable == first
    approve_rollout(shop.world, rollout.id, "bob", True)
    shop.settle(5)
    assert state_of(shop, "c3")[0] is RunState.SUCCEEDED
    assert shop.store.environments.get("shop/staging").workloads["reviews"] == rollout.candidate
    assert shop.store.environments.get("shop/production").workloads == production


def test_previews_never_take_its_colour(shop: FakeWorld) -> None:
    shop.forge.push("staging", "c3", reviews="3")
    shop.settle(5)
    [mine] = [color for color, branch in colors(shop).items() if branch == "staging"]
    assert mine.startswith("staging-")
    assert colors(shop)["staging"] == "develop"


def test_another_branch_is_refused_while_one_has_it(shop: FakeWorld) -> None:
    shop.builds.named = {"release": "staging"}
    shop.forge.push("release", "c3", reviews="3")
    shop.settle(5)
    state, message = state_of(shop, "c3")
    assert state is RunState.FAILED
    assert "staging belongs to branch develop" in message
    assert "colorlane env delete shop/staging" in message


def test_branch_that_moves_leaves_nothing_behind(shop: FakeWorld) -> None:
    shop.builds.named = {"develop": "integration"}
    shop.forge.push("develop", "c3", reviews="3")
    shop.settle(8)
    assert colors(shop) == {"integration": "develop"}
    shop.builds.named = {"release": "integration"}
    shop.forge.push("develop", "c4", reviews="4")
    shop.settle(8)
    assert colors(shop) == {"develop": "develop"}
    shop.forge.push("release", "c5", reviews="5")
    shop.settle(8)
    assert colors(shop) == {"develop": "develop", "integration": "release"}
    assert {row.state for row in shop.store.environments.find()} == {EnvironmentState.ACTIVE}


def test_it_goes_with_its_branch(shop: FakeWorld) -> None:
    del shop.forge.branches["develop"]
    shop.settle(5)
    assert colors(shop) == {}
