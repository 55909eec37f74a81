"""Restart, scale and ways back, on a world in memory."""

from __future__ import annotations

from dataclasses import replace

import pytest

from delivery.errors import Conflict, NotFound, Rejected
from delivery.flows.operate_rollout import operate_rollout
from delivery.flows.operate_workload import restart, revisions, roll_back_to, scale, workload_of
from delivery.flows.remove_project import remove_project
from delivery.rollouts.model import Phase
from pipelines.runs import RunState
from tests.fakes.world import FakeWorld


@pytest.fixture
def shop() -> FakeWorld:
    made = FakeWorld()
    for number, text in enumerate(("one", "two", "three")):
        made.forge.push("main", f"commit{number}", page=text)
        made.settle(10)
    return made


def production(shop: FakeWorld):
    return shop.store.environments.get("shop/production")


def test_revisions_are_listed_newest_first(shop):
    found = revisions(shop.world, production(shop), "page")
    assert [each.release.revision for each in found] == ["commit2", "commit1", "commit0"]
    assert [each.current for each in found] == [True, False, False]


@pytest.mark.parametrize("by", ["version", "commit"])
def test_a_way_back_is_an_instant_rollout(shop, by):
    first = revisions(shop.world, production(shop), "page")[2].release
    wanted = first.version if by == "version" else first.revision
    rollout = roll_back_to(shop.world, production(shop), "page", wanted, "anna")
    shop.settle(10)
    assert shop.store.rollouts.get(rollout.id).phase is Phase.PROMOTED
    assert production(shop).workloads == {"page": first.version}
    assert [each.current for each in revisions(shop.world, production(shop), "page")].count(True) == 1
    (running,) = shop.platform.list("shop")
    assert running.key.version == first.version
    assert any(event.actor == "anna" for event in shop.store.events(subject="environment/shop/production"))


def test_after_a_way_back_the_next_push_goes_on(shop):
    oldest = revisions(shop.world, production(shop), "page")[2].release
    roll_back_to(shop.world, production(shop), "page", oldest.version, "anna")
    shop.settle(10)
    shop.forge.push("main", "commit3", page="four")
    shop.settle(10)
    assert revisions(shop.world, production(shop), "page")[0].release.revision == "commit3"


def test_a_way_back_tried_again_takes_up_no_old_run(shop):
    """The run that once brought the release failed for another reason; it stays as it ended."""
    oldest = revisions(shop.world, production(shop), "page")[2].release
    (first,) = [run for run in shop.store.runs.find(project="shop") if run.revision == oldest.revision]
    shop.store.runs.save(replace(first, state=RunState.FAILED))
    rollout = roll_back_to(shop.world, production(shop), "page", oldest.version, "anna")
    operate_rollout(shop.world, rollout.id, "abort", "anna")
    shop.settle(10)
    again = operate_rollout(shop.world, rollout.id, "retry", "anna")
    shop.settle(10)
    assert shop.store.rollouts.get(again.id).phase is Phase.PROMOTED
    run = shop.store.runs.get(first.id)
    assert (run.state, run.rollouts) == (RunState.FAILED, first.rollouts)


def test_a_project_can_be_removed_while_a_way_back_is_under_way(shop):
    oldest = revisions(shop.world, production(shop), "page")[2].release
    rollout = roll_back_to(shop.world, production(shop), "page", oldest.version, "anna")
    remove_project(shop.world, "shop", "anna")
    shop.settle(20)
    assert shop.store.rollouts.get(rollout.id).phase is Phase.SUPERSEDED
    assert not shop.platform.list("shop")
    assert not shop.store.projects.find()


def test_what_cannot_be_gone_back_to(shop):
    known = revisions(shop.world, production(shop), "page")
    with pytest.raises(NotFound, match="never was"):
        roll_back_to(shop.world, production(shop), "page", "nothing", "anna")
    with pytest.raises(Conflict, match="already"):
        roll_back_to(shop.world, production(shop), "page", known[0].release.version, "anna")
    roll_back_to(shop.world, production(shop), "page", known[1].release.version, "anna")
    with pytest.raises(Conflict, match="under way"):
        roll_back_to(shop.world, production(shop), "page", known[2].release.version, "anna")


def test_restart_and_scale_reach_the_platform_and_the_trail(shop):
    environment = production(shop)
    key = workload_of(shop.world, environment, "page")
    restart(shop.world, environment, key, "anna", "new certificate")
    scale(shop.world, environment, key, 3, "anna")
    assert shop.platform.restarted[key] == shop.clock.now()
    assert shop.platform.status(key).wanted == 3
    told = [event.kind for event in shop.store.events(subject="environment/shop/production")]
    assert told[-2:] == ["workload.restarted", "workload.scaled"]
    with pytest.raises(Rejected):
        scale(shop.world, environment, key, 999, "anna")
    with pytest.raises(NotFound, match="no ratings of its own"):
        workload_of(shop.world, environment, "ratings")
