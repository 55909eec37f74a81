"""Which rollouts a run answers for: canceled ones begin nothing, retries take the place of what they repeat."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
import structlog

from delivery.flows.operate_rollout import operate_rollout
from delivery.flows.operate_run import cancel_run, retry_run
from delivery.ports.forge import CommitState
from delivery.rollouts.model import Pause, Phase, Rollout, SetWeight, Strategy
from pipelines.runs import Run, RunState
from tests.fakes.world import FakeWorld


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    with structlog.testing.capture_logs():
        yield


@pytest.fixture
def shop() -> FakeWorld:
    """A project whose first release runs; changes wait for approval at 10 %."""
    shop = FakeWorld(Strategy(steps=(SetWeight(10), Pause(None))))
    shop.forge.push("main", "c1", page="1", reviews="1")
    shop.settle(5)
    return shop


def run_of(shop: FakeWorld, revision: str) -> Run:
    return shop.store.runs.find(revision=revision, newest_first=True)[0]


def rollout_of(shop: FakeWorld, revision: str) -> Rollout:
    return shop.store.rollouts.find(revision=revision, newest_first=True)[0]


def last_told(shop: FakeWorld, revision: str) -> CommitState:
    return [state for told, name, state, _ in shop.forge.told if (told, name) == (revision, "colorlane")][-1]


def versions(shop: FakeWorld) -> list[str]:
    return sorted(key.version for key in shop.platform.specs if key.service == "reviews")


def test_a_run_canceled_while_its_rollouts_are_made_deploys_nothing(shop: FakeWorld) -> None:
    before, burn = versions(shop), shop.store.before

    def cancel(what: str) -> None:
        burn(what)
        if what == "environments.save" and shop.store.rollouts.find(revision="c2"):
            shop.store.before = burn
            cancel_run(shop.world, run_of(shop, "c2").id, "bob")

    shop.store.before = cancel
    shop.forge.push("main", "c2", reviews="2")
    shop.settle(5)
    assert shop.store.before == burn, "the moment came"
    assert run_of(shop, "c2").state is RunState.CANCELED
    rollout = rollout_of(shop, "c2")
    assert (rollout.phase, rollout.message) == (Phase.SUPERSEDED, "run 2 was canceled before it began")
    assert versions(shop) == before
    assert last_told(shop, "c2") is CommitState.CANCELED


def test_a_cancel_that_died_half_way_is_carried_out(shop: FakeWorld) -> None:
    shop.forge.push("main", "c2", reviews="2")
    shop.settle(3)
    shop.store.runs.save(replace(run_of(shop, "c2"), cancel_requested=True))
    shop.settle(5)
    assert rollout_of(shop, "c2").phase is Phase.ROLLED_BACK
    assert run_of(shop, "c2").state is RunState.CANCELED
    shop.builds.during = lambda: shop.store.runs.save(replace(run_of(shop, "c3"), cancel_requested=True))
    shop.forge.push("main", "c3", reviews="3")
    shop.settle(5)
    assert run_of(shop, "c3").state is RunState.CANCELED
    assert not shop.store.rollouts.find(revision="c3")


def failed(shop: FakeWorld, revision: str) -> Rollout:
    operate_rollout(shop.world, rollout_of(shop, revision).id, "abort", "ann", reason="looks bad")
    shop.settle(5)
    assert run_of(shop, revision).state is RunState.FAILED
    assert last_told(shop, revision) is CommitState.FAILED
    return rollout_of(shop, revision)


def retried(shop: FakeWorld, rollout: Rollout) -> Rollout:
    again = operate_rollout(shop.world, rollout.id, "retry", "bob")
    shop.settle(3)
    operate_rollout(shop.world, again.id, "promote", "bob")
    shop.settle(5)
    assert shop.store.rollouts.get(again.id).phase is Phase.PROMOTED
    return again


def test_a_run_follows_the_retry_of_its_rollout(shop: FakeWorld) -> None:
    shop.forge.push("main", "c2", reviews="2")
    shop.settle(3)
    again = operate_rollout(shop.world, failed(shop, "c2").id, "retry", "bob")
    shop.settle(3)
    run = run_of(shop, "c2")
    assert (run.state, run.rollouts, run.ended_at, run.message) == (RunState.DEPLOYING, (again.id,), None, "")
    assert last_told(shop, "c2") is CommitState.RUNNING
    again = retried(shop, failed(shop, "c2"))
    assert (run_of(shop, "c2").state, run_of(shop, "c2").rollouts) == (RunState.SUCCEEDED, (again.id,))
    assert last_told(shop, "c2") is CommitState.SUCCESS


def test_later_runs_that_waited_for_it_or_were_refused_follow_too(shop: FakeWorld) -> None:
    shop.forge.push("main", "c2", reviews="2")
    shop.settle(3)
    shop.forge.push("main", "c3", reviews="2")
    shop.settle(3)
    assert run_of(shop, "c3").rollouts == run_of(shop, "c2").rollouts
    bad = failed(shop, "c2")
    shop.store.releases.save(replace(shop.store.releases.get(f"shop/reviews/{bad.candidate}"), quarantined="slow"))
    refused = retry_run(shop.world, run_of(shop, "c3").id, "bob")
    shop.settle(3)
    assert "quarantined" in shop.store.runs.get(refused.id).message
    again = retried(shop, bad)
    for run in shop.store.runs.find(ref="refs/heads/main")[1:]:
        assert (run.state, run.rollouts) == (RunState.SUCCEEDED, (again.id,)), run.id
    assert last_told(shop, "c3") is CommitState.SUCCESS


def test_an_artifact_deleted_before_its_deployment_is_built_again(shop: FakeWorld) -> None:
    shop.forge.push("main", "c2", reviews="2")
    while not shop.store.runs.find(revision="c2") or run_of(shop, "c2").state is RunState.QUEUED:
        shop.step(*shop.queue.popleft()) if shop.queue else shop.step("detect_pushes", "shop")
    job = shop.store.jobs.find(run=run_of(shop, "c2").id)[0]
    shop.step("execute_job", job.id)
    shop.builds.artifacts.clear()
    shop.settle(5)
    assert rollout_of(shop, "c2").phase is Phase.PROGRESSING
