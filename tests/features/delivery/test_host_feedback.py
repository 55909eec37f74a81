"""Feedback to the Git host: each state once, deliveries answered once, and a host that is away waited for."""

from __future__ import annotations

from delivery.deliveries import DeliveryState, Push
from delivery.flows.pushes import body_of
from delivery.flows.receive_delivery import receive_delivery, replay_delivery
from delivery.ports.forge import CommitState
from pipelines.runs import RunState
from tests.fakes.shop import rollout_of, run_of, stable
from tests.fakes.world import FakeWorld


def test_host_is_told_each_passing_state_once(shop: FakeWorld) -> None:
    """A run is told as running while it builds and while it deploys; GitLab answers the second with an error."""
    shop.forge.push("main", "c2", reviews="2")
    shop.settle(5)
    told = [state for revision, name, state, _ in shop.forge.told if (revision, name) == ("c2", "colorlane")]
    assert len(set(told)) == len(told)
    assert told[-1] is CommitState.SUCCESS


def test_host_that_goes_away_after_the_push_delays_feedback_and_nothing_else(shop: FakeWorld) -> None:
    def leave() -> None:
        shop.forge.away = True

    shop.builds.during = leave
    shop.forge.push("main", "c2", reviews="2")
    shop.settle(5)
    assert run_of(shop, "c2").state is RunState.SUCCEEDED
    assert stable(shop) == rollout_of(shop, "c2").candidate
    assert CommitState.SUCCESS not in [state for revision, _, state, _ in shop.forge.told if revision == "c2"]
    shop.forge.away = False
    shop.settle(10)
    assert [t for t in shop.forge.told if t[:2] == ("c2", "colorlane")][-1][2] is CommitState.SUCCESS


def test_delivery_says_what_it_waits_for(shop: FakeWorld) -> None:
    shop.forge.away = True
    told = receive_delivery(shop.world, "shop", "gitlab", "k", "push", body_of(Push("refs/heads/new", "", "c2")))
    shop.settle(1)
    row = shop.store.deliveries.get(told.id)
    assert (row.state, row.outcome) == (DeliveryState.RECEIVED, "waits: the host is away")
    shop.forge.away = False
    shop.forge.push("new", "c2", reviews="2")
    shop.settle(1)
    assert shop.store.deliveries.get(told.id).outcome == "run 2"


def test_statuses_wait_for_a_host_that_is_away_and_only_the_newest_is_sent(shop: FakeWorld) -> None:
    shop.forge.push("alice", "c2", reviews="2")
    told = len(shop.forge.told)
    for _ in range(3):
        shop.round()
        shop.forge.away = True
    assert len(shop.forge.told) >= told
    shop.settle(10)
    shop.forge.away = False
    shop.settle(60)
    assert not shop.store.statuses.find(sent_at=None)
    assert [state for revision, name, state, _ in shop.forge.told if (revision, name) == ("c2", "colorlane")][-1] == (
        CommitState.SUCCESS
    )


def test_repeated_delivery_is_answered_like_the_first(shop: FakeWorld) -> None:
    shop.forge.push("alice", "c2", reviews="2")
    body = body_of(Push("refs/heads/alice", "", "c2"))
    first = receive_delivery(shop.world, "shop", "gitlab", "event-1", "push", body)
    shop.settle(5)
    second = receive_delivery(shop.world, "shop", "gitlab", "event-1", "push", body)
    assert second.id == first.id
    assert second.outcome == "run 2"
    assert len(shop.store.runs.find(revision="c2")) == 1
    replay_delivery(shop.world, first.id)
    shop.settle(2)
    assert shop.store.deliveries.get(first.id).state is DeliveryState.IGNORED
    assert len(shop.store.runs.find(revision="c2")) == 1
