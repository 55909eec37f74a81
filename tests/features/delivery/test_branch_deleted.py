"""Branch deleted, lease ended: the environment goes, whole, and what is not a preview stays."""

from __future__ import annotations

import pytest

from delivery.environments import EnvironmentState
from delivery.errors import NotFound, Rejected
from delivery.flows.operate_environment import delete_environment, extend_environment
from pipelines.runs import RunState
from tests.fakes.shop import run_of
from tests.fakes.world import FakeWorld


def test_deleted_branch_leaves_nothing_and_says_so_only_then(shop: FakeWorld) -> None:
    shop.platform.slow_to_stop = True
    shop.forge.push("alice", "c2", reviews="2")
    shop.settle(5)
    del shop.forge.branches["alice"]
    shop.settle(5)
    assert shop.store.environments.get("shop/alice").state is EnvironmentState.DELETING
    assert ("shop", "reviews", "alice") not in shop.traffic.intents, "routes go before processes"
    shop.platform.stop_all()
    shop.settle(2)
    with pytest.raises(NotFound):
        shop.store.environments.get("shop/alice")
    assert ("shop", "alice") not in shop.traffic.environments
    assert shop.builds.artifacts == {"sha256:key-page-1", "sha256:key-reviews-1"}
    gone = shop.store.events(subject="environment/shop/alice", newest_first=True)[0]
    assert gone.text == "alice is gone: 0 processes, 0 routes, 0 files left"


def test_branch_that_comes_back_while_its_environment_goes_gets_a_new_one(shop: FakeWorld) -> None:
    shop.platform.slow_to_stop = True
    shop.forge.push("alice", "c2", reviews="2")
    shop.settle(5)
    del shop.forge.branches["alice"]
    shop.settle(2)
    shop.forge.push("alice", "c3", reviews="3")
    shop.settle(2)
    assert run_of(shop, "c3").state is RunState.DEPLOYING
    shop.platform.stop_all()
    shop.settle(6)
    assert run_of(shop, "c3").state is RunState.SUCCEEDED
    assert shop.store.environments.get("shop/alice").state is EnvironmentState.ACTIVE


def test_environment_ends_with_its_lease_and_lives_on_when_extended(shop: FakeWorld) -> None:
    shop.forge.push("alice", "c2", reviews="2")
    shop.settle(5)
    extend_environment(shop.world, "shop/alice", 7200.0, "alice")
    shop.clock.pass_(3700)
    shop.settle(2)
    assert shop.store.environments.get("shop/alice").state is EnvironmentState.ACTIVE
    shop.clock.pass_(3600)
    shop.settle(2)
    assert not shop.store.environments.find(color="alice")


def test_production_cannot_be_deleted(shop: FakeWorld) -> None:
    with pytest.raises(Rejected, match="baseline"):
        delete_environment(shop.world, "shop/production", "mallory")
