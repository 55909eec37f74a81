"""Superseded push: the newer one counts, in whatever order they are told."""

from __future__ import annotations

from delivery.deliveries import Push
from delivery.flows.detect_pushes import detect_pushes
from delivery.flows.operate_run import retry_run
from delivery.flows.pushes import body_of
from delivery.flows.receive_delivery import receive_delivery
from delivery.rollouts.model import Phase
from pipelines.runs import JobState, RunState
from tests.fakes.shop import canary_shop, rollout_of, run_of, stable
from tests.fakes.world import FakeWorld


def test_newer_push_supersedes_a_canary_and_takes_its_turn_after_it() -> None:
    shop = canary_shop()
    old = stable(shop)
    shop.forge.push("main", "c2", reviews="2")
    shop.settle(3)
    shop.forge.push("main", "c3", reviews="3")
    shop.settle(6)
    assert rollout_of(shop, "c2").phase is Phase.SUPERSEDED
    assert run_of(shop, "c2").state is RunState.SUPERSEDED
    newer = rollout_of(shop, "c3")
    assert (newer.phase, newer.stable) == (Phase.PROGRESSING, old)


def test_newer_push_supersedes_a_run_that_has_not_deployed(shop: FakeWorld) -> None:
    shop.forge.push("alice", "c2", reviews="2")
    shop.queue.clear()
    detect_pushes(shop.world, "shop")
    shop.step(*shop.queue.popleft())  # the delivery becomes a run
    shop.step("advance_run", run_of(shop, "c2").id)  # planned, not built
    shop.queue.clear()
    shop.forge.push("alice", "c3", reviews="3")
    shop.settle(5)
    assert run_of(shop, "c2").state is RunState.SUPERSEDED
    assert shop.store.jobs.find(run=run_of(shop, "c2").id)[0].state is JobState.CANCELED
    assert run_of(shop, "c3").state is RunState.SUCCEEDED


def test_overtaken_run_is_noticed_while_the_host_is_away(shop: FakeWorld) -> None:
    def push_and_leave() -> None:
        if "c3" not in shop.forge.commits:
            shop.forge.push("main", "c3", reviews="3")
            detect_pushes(shop.world, "shop")
            shop.settle(1)
        shop.forge.away = True

    shop.builds.during = push_and_leave
    shop.forge.push("main", "c2", reviews="2")
    shop.settle(8)
    assert run_of(shop, "c2").state is RunState.SUPERSEDED
    assert run_of(shop, "c3").state is RunState.SUCCEEDED
    assert stable(shop) == rollout_of(shop, "c3").candidate


def test_messages_out_of_order_never_undo_what_is_newer(shop: FakeWorld) -> None:
    """A forced push told before the one it replaced; a deletion told before the push it ends."""
    shop.forge.push("alice", "c2", reviews="2")
    shop.settle(5)
    shop.forge.push("alice", "c3", reviews="3")
    shop.forge.branches["alice"] = "c1"
    shop.forge.push("alice", "c4", reviews="4")
    shop.settle(5)
    late = body_of(Push("refs/heads/alice", "c2", "c3"))
    first = receive_delivery(shop.world, "shop", "gitlab", "late", "push", late)
    shop.settle(2)
    assert "overtaken" in shop.store.deliveries.get(first.id).outcome
    assert not shop.store.runs.find(revision="c3")
    del shop.forge.branches["alice"]
    shop.settle(5)
    created = body_of(Push("refs/heads/alice", "", "c2"))
    second = receive_delivery(shop.world, "shop", "gitlab", "later", "push", created)
    shop.settle(2)
    assert "gone" in shop.store.deliveries.get(second.id).outcome
    assert not shop.store.environments.find(color="alice")


def test_late_push_event_of_an_older_commit_is_ignored(shop: FakeWorld) -> None:
    shop.forge.push("alice", "c2", reviews="2")
    shop.forge.push("alice", "c3", reviews="3")
    shop.settle(5)
    late = receive_delivery(shop.world, "shop", "gitlab", "late", "push", body_of(Push("refs/heads/alice", "x", "c2")))
    shop.settle(1)
    assert "overtaken" in shop.store.deliveries.get(late.id).outcome
    assert not shop.store.runs.find(revision="c2")


def test_retry_of_an_old_run_never_goes_over_a_newer_deployment(shop: FakeWorld) -> None:
    shop.forge.push("main", "c2", reviews="2")
    shop.settle(5)
    new = stable(shop)
    old = retry_run(shop.world, run_of(shop, "c1").id, "bob")
    shop.settle(5)
    assert shop.store.runs.get(old.id).state is RunState.SUPERSEDED
    assert stable(shop) == new


def test_force_push_back_is_no_late_event(shop: FakeWorld) -> None:
    shop.forge.push("main", "c2", reviews="2")
    shop.settle(5)
    shop.forge.branches["main"] = "c1"
    shop.settle(5)
    assert run_of(shop, "c1").number == 3
    assert run_of(shop, "c1").state is RunState.SUCCEEDED
    assert stable(shop) == shop.store.releases.find(service="reviews", run="shop.1")[0].version
