"""Push to preview: a branch gets an environment with what it changes, and no more."""

from __future__ import annotations

from delivery.ports.forge import CommitState
from pipelines.runs import RunState
from tests.fakes.shop import run_of
from tests.fakes.world import FakeWorld


def test_first_push_to_main_deploys_everything(shop: FakeWorld) -> None:
    assert run_of(shop, "c1").state is RunState.SUCCEEDED
    assert sorted(shop.builds.built) == ["page", "reviews"]
    assert shop.traffic.projects["shop"] == ("shop.localhost", "page", 9080)
    assert shop.forge.told[-1][1:3] == ("colorlane", CommitState.SUCCESS)


def test_branch_gets_an_environment_with_only_its_changes(shop: FakeWorld) -> None:
    shop.forge.push("alice", "c2", reviews="2")
    shop.settle(5)
    environment = shop.store.environments.get("shop/alice")
    assert list(environment.workloads) == ["reviews"]
    assert environment.url == "http://alice.shop.localhost:8080/"
    assert shop.builds.built == ["page", "reviews", "reviews"]
    assert shop.traffic.environments["shop", "alice"] == ("", "fallback")
    assert shop.traffic.intents["shop", "reviews", "alice"].weights == {environment.workloads["reviews"]: 100}


def test_service_that_equals_the_base_again_is_withdrawn(shop: FakeWorld) -> None:
    shop.forge.push("alice", "c2", reviews="2", page="2")
    shop.settle(5)
    shop.forge.push("alice", "c3", reviews="1")
    shop.settle(5)
    assert list(shop.store.environments.get("shop/alice").workloads) == ["page"]
    assert ("shop", "reviews", "alice") not in shop.traffic.intents
    assert not [key for key in shop.platform.specs if key.service == "reviews" and key.color == "alice"]


def test_equal_content_is_built_once(shop: FakeWorld) -> None:
    shop.forge.push("alice", "c2", reviews="2")
    shop.forge.push("bob", "c3", reviews="2")
    shop.settle(6)
    assert shop.builds.built.count("reviews") == 2  # the first release, and one for both branches


def test_skip_marker_skips_pushes_but_never_deletions(shop: FakeWorld) -> None:
    shop.forge.push("alice", "c2", message="wip [skip ci]", reviews="2")
    shop.settle(2)
    assert not shop.store.runs.find(revision="c2")
    shop.forge.push("alice", "c3", reviews="3")
    shop.settle(5)
    shop.forge.push("alice", "c4", message="bye [ci skip]", reviews="4")
    shop.settle(2)
    del shop.forge.branches["alice"]
    shop.settle(2)
    assert not shop.store.environments.find(color="alice")


def test_branch_no_environment_takes_is_a_green_run_that_says_so(shop: FakeWorld) -> None:
    shop.forge.push("wip/x", "c2", reviews="2")
    shop.settle(2)
    assert run_of(shop, "c2").state is RunState.SUCCEEDED
    assert "no environment takes" in run_of(shop, "c2").message
