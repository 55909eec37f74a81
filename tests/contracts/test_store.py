"""The store's contract, on the in-memory side, on SQLite, and on PostgreSQL when COLORLANE_TEST_POSTGRES_URL is set."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from delivery.adapters.store_sql import SqlStore
from delivery.deliveries import Delivery, DeliveryState, Head
from delivery.environments import Environment, EnvironmentState
from delivery.errors import Broken, Conflict, NotFound
from delivery.ports.store import CommitStatus, Event
from delivery.projects import Project
from delivery.releases import Release
from delivery.rollouts.model import Analysis, Approval, Command, Pause, Phase, Rollout, SetWeight, Strategy
from pipelines.runs import Job, JobState, Run, RunState
from tests.fakes.store import FakeStore

POSTGRES = os.environ.get("COLORLANE_TEST_POSTGRES_URL", "")
AnyStore = Any  # SqlStore | FakeStore; both are `delivery.ports.store.Store`


@pytest.fixture(params=["memory", "sqlite", "postgres"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[AnyStore]:
    if request.param == "memory":
        yield FakeStore()
        return
    if request.param == "postgres":
        if not POSTGRES:
            pytest.skip("COLORLANE_TEST_POSTGRES_URL is not set")
        emptied(POSTGRES)
    url = POSTGRES if request.param == "postgres" else f"sqlite:///{tmp_path / 'deep' / 'state.db'}"
    store = SqlStore(url)
    yield store
    store.close()


def emptied(url: str) -> None:
    from delivery.adapters.store_sql.engine import connect

    engine = connect(url)
    with engine.begin() as connection:
        connection.execute(text("DROP SCHEMA public CASCADE"))
        connection.execute(text("CREATE SCHEMA public"))
    engine.dispose()


ROLLOUT = Rollout(
    id="shop.1.reviews",
    project="shop",
    environment="shop/production",
    color="",
    service="reviews",
    stable="a",
    candidate="b",
    artifact="sha256:x",
    revision="c1",
    ref="refs/heads/main",
    run="shop.1",
    strategy=Strategy(steps=(SetWeight(10), Analysis(3.0), Pause(None), Pause(2.0))),
    approvals=(Approval("bob", True, 2, "c1", "sha256:x", 5.0),),
    commands=(Command("pause", "bob", 6.0),),
    gate={"deep": [1, {"x": None}]},
)
ROWS: dict[str, Any] = {
    "projects": Project("shop", "shop.localhost", token="s3cret"),
    "deliveries": Delivery("shop.1", "shop", "gitlab", "key", "push", b"\x00\xff{}", 5.0),
    "runs": Run("shop.1", "shop", "refs/heads/main", "main", "c1", 1, keys={"reviews": "k"}),
    "jobs": Job("shop.1.reviews", "shop.1", "shop", "reviews", "k", "c1"),
    "releases": Release(
        "shop/reviews/a", "shop", "reviews", "a", "sha256:x", "c1", "r", "shop.1", ({"kind": "Service"},)
    ),
    "environments": Environment("shop/alice", "shop", "alice", "alice", "Alice/Ä", workloads={"reviews": "a"}),
    "rollouts": ROLLOUT,
    "statuses": CommitStatus("shop/c1/colorlane", "shop", "c1", "r", "colorlane", "running", "d", "u", 5.0),
    "heads": Head("shop/refs/heads/main", "shop", "refs/heads/main", "c1", 5.0),
}


def plain(row: Any) -> Any:
    """Sequences come back as tuples, which is the only freedom a store has."""
    return replace(row, manifests=tuple(row.manifests)) if isinstance(row, Release) else row


@pytest.mark.parametrize("noun", ROWS)
def test_rows_come_back_as_they_went_in(store: AnyStore, noun: str) -> None:
    rows, row = getattr(store, noun), ROWS[noun]
    assert rows.add(row) == row
    id = getattr(row, "id", None) or row.name
    assert plain(rows.get(id)) == plain(row)
    with pytest.raises(Conflict):
        rows.add(row)
    saved = rows.save(row)
    assert saved.row_version == 1
    assert rows.get(id).row_version == 1
    with pytest.raises(Conflict):
        rows.save(row)
    rows.delete(id)
    rows.delete(id)
    with pytest.raises(NotFound):
        rows.get(id)
    with pytest.raises(NotFound):
        rows.save(saved)


@pytest.mark.parametrize("noun", ["deliveries", "runs", "releases", "environments", "heads"])
def test_unique_values_are_unique(store: AnyStore, noun: str) -> None:
    rows, row = getattr(store, noun), ROWS[noun]
    rows.add(row)
    with pytest.raises(Conflict):
        rows.add(replace(row, id="another"))


def test_save_may_not_take_another_rows_unique_value(store: AnyStore) -> None:
    alice = ROWS["environments"]
    store.environments.add(alice)
    bob = store.environments.add(replace(alice, id="shop/bob", color="bob"))
    with pytest.raises(Conflict):
        store.environments.save(replace(bob, color="alice"))


def test_find_filters_orders_and_pages(store: AnyStore) -> None:
    for number in range(1, 6):
        state = RunState.BUILDING if number % 2 else RunState.FAILED
        store.runs.add(replace(ROWS["runs"], id=f"shop.{number}", number=number, state=state))
    store.runs.add(replace(ROWS["runs"], id="other.1", project="other"))

    def numbers(**query: Any) -> list[int]:
        return [run.number for run in store.runs.find(**query)]

    assert numbers(project="shop") == [1, 2, 3, 4, 5]
    assert numbers(project="shop", state=RunState.BUILDING) == [1, 3, 5]
    assert numbers(project="shop", state="failed") == [2, 4]
    assert numbers(project="shop", state=(RunState.BUILDING, RunState.QUEUED), newest_first=True) == [5, 3, 1]
    assert numbers(project="shop", limit=2, offset=1) == [2, 3]
    assert numbers(project="shop", state=()) == []
    assert numbers(project="nobody") == []
    with pytest.raises(Broken, match="not indexed"):
        numbers(message="x")


def test_find_by_nothing_and_saved_columns_follow(store: AnyStore) -> None:
    status = store.statuses.add(ROWS["statuses"])
    assert store.statuses.find(sent_at=None) == [status]
    store.statuses.save(replace(status, sent_at=6.0))
    assert list(store.statuses.find(sent_at=None)) == []
    rollout = store.rollouts.add(ROLLOUT)
    store.rollouts.save(replace(rollout, phase=Phase.PROMOTED))
    assert [row.id for row in store.rollouts.find(phase=(Phase.PROMOTED,), color="")] == [rollout.id]
    environment = store.environments.add(ROWS["environments"])
    store.environments.save(replace(environment, state=EnvironmentState.DELETING))
    assert len(store.environments.find(state=EnvironmentState.DELETING)) == 1
    delivery = store.deliveries.add(ROWS["deliveries"])
    store.deliveries.save(replace(delivery, state=DeliveryState.IGNORED))
    assert not store.deliveries.find(state=DeliveryState.RECEIVED)
    job = store.jobs.add(ROWS["jobs"])
    store.jobs.save(replace(job, state=JobState.RUNNING))
    assert len(store.jobs.find(key="k", state=JobState.RUNNING)) == 1


def test_generations_rise_by_scope(store: AnyStore) -> None:
    assert [store.next_generation("a"), store.next_generation("a"), store.next_generation("b")] == [1, 2, 1]


def test_lease_is_one_callers_until_it_is_over_or_given_back(store: AnyStore) -> None:
    assert store.claim("rollout/1", "ann", 5.0, 100.0)
    assert not store.claim("rollout/1", "bob", 5.0, 104.9)
    assert store.claim("rollout/1", "ann", 5.0, 104.0), "extended"
    assert not store.claim("rollout/1", "bob", 5.0, 108.9)
    assert store.claim("rollout/1", "bob", 5.0, 109.0), "over"
    store.release("rollout/1", "ann")
    assert not store.claim("rollout/1", "ann", 5.0, 110.0), "no longer hers to give back"
    store.release("rollout/1", "bob")
    assert store.claim("rollout/1", "ann", 5.0, 110.0)
    assert store.claim("rollout/2", "ann", 5.0, 110.0)
    assert list(store.owners()) == ["ann"]
    store.release_all("ann")
    assert list(store.owners()) == []


def test_of_many_claimers_one_wins(store: AnyStore) -> None:
    won = together(8, lambda index: store.claim("x", f"caller-{index}", 5.0, 100.0))
    assert won.count(True) == 1


def test_of_many_savers_one_wins(store: AnyStore) -> None:
    row = store.projects.add(ROWS["projects"])

    def save(index: int) -> bool:
        try:
            store.projects.save(replace(row, token=str(index)))
        except Conflict:
            return False
        return True

    assert together(8, save).count(True) == 1
    assert store.projects.get("shop").row_version == 1


def test_numbers_are_handed_out_once(store: AnyStore) -> None:
    found = together(8, lambda index: [store.next_generation("x") for _ in range(10)])
    assert sorted(number for numbers in found for number in numbers) == list(range(1, 81))


def together(count: int, call: Any) -> list[Any]:
    """Call from so many threads at the same moment."""
    results: list[Any] = [None] * count
    gate = threading.Barrier(count)

    def run(index: int) -> None:
        gate.wait(10)
        results[index] = call(index)

    threads = [threading.Thread(target=run, args=(index,)) for index in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    return results


def test_trail_is_read_by_project_subject_and_position(store: AnyStore) -> None:
    for number in range(3):
        store.record(Event(0, float(number), "shop", "run/1", "run.x", f"text {number}", "bob", {"n": number}))
    store.record(Event(0, 9.0, "other", "run/2", "run.x", "text"))
    events = store.events(project="shop")
    assert [event.text for event in events] == ["text 0", "text 1", "text 2"]
    assert events[0].data == {"n": 0}
    assert [event.text for event in store.events(subject="run/1", after=events[0].id, limit=1)] == ["text 1"]
    assert [event.project for event in store.events(newest_first=True, limit=2)] == ["other", "shop"]


def test_events_are_recorded_with_the_row_they_speak_of_or_not_at_all(store: AnyStore) -> None:
    rollout = store.rollouts.add(ROLLOUT)
    event = Event(0, 5.0, "shop", "rollout/shop.1.reviews", "rollout.step", "first", data={"step": 1})
    store.rollouts.save(rollout, [event, replace(event, text="second")])
    with pytest.raises(Conflict):
        store.rollouts.save(rollout, [replace(event, text="too late")])
    assert [(each.text, each.data) for each in store.events()] == [("first", {"step": 1}), ("second", {"step": 1})]


def test_old_events_are_forgotten_and_numbers_rise_on(store: AnyStore) -> None:
    for at in (1.0, 2.0, 3.0):
        store.record(Event(0, at, "shop", "run/1", "run.x", "text"))
    last = store.events()[-1].id
    assert store.forget_events(3.0) == 2
    assert [event.at for event in store.events()] == [3.0]
    assert store.forget_events(9.0) == 1
    store.record(Event(0, 9.0, "shop", "run/1", "run.x", "text"))
    assert [event.at for event in store.events(after=last)] == [9.0], "streams go on after the last they have seen"
