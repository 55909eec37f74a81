"""Project removed: nothing of it is left, and it may come again."""

from __future__ import annotations

from delivery.flows.register_project import register_project
from delivery.flows.remove_project import remove_project
from pipelines.runs import RunState
from tests.fakes.world import FakeWorld


def test_project_is_removed_with_all_it_has(shop: FakeWorld) -> None:
    shop.forge.push("alice", "c2", reviews="2")
    shop.settle(5)
    remove_project(shop.world, "shop", "bob")
    shop.settle(5)
    assert not shop.store.projects.find()
    assert not shop.store.environments.find()
    assert not shop.platform.specs
    assert not shop.traffic.intents
    assert not shop.traffic.projects


def test_project_that_is_registered_again_starts_anew(shop: FakeWorld) -> None:
    remove_project(shop.world, "shop", "bob")
    shop.settle(5)
    assert not shop.store.projects.find()
    register_project(shop.world, "shop")
    shop.forge.branches["main"] = "c1"
    shop.settle(5)
    assert [run.revision for run in shop.store.runs.find(state=RunState.SUCCEEDED)] == ["c1", "c1"]
    assert shop.platform.specs
