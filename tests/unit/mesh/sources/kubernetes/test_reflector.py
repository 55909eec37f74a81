"""The reflector: however lists, events, broken watches, 410 and refusals follow each other, the copy becomes the
collection, what did not change is not told, and failures are followed by growing pauses."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mesh.sources.kubernetes.mirror import Changes, Mirror
from mesh.sources.kubernetes.objects import Json, Name, Record, Service
from mesh.sources.kubernetes.reflector import LONGEST_PAUSE, Reflector
from tests.fakes.kube_collection import Collection


def read(item: Json) -> Record | None:
    """An object that has a color other than none is kept; the color is what matters of it."""
    metadata, color = item["metadata"], item["spec"]["color"]
    return Service((metadata["namespace"], metadata["name"]), color, (), False) if color else None


class Bench:
    """A reflector whose pauses take no time; `told` is what its changes add up to. `steps` happen in the pauses."""

    def __init__(self, collection: Collection) -> None:
        self.collection = collection
        self.told: dict[Name, Record] = {}
        self.changes: list[Changes] = []
        self.pauses: list[float] = []
        self.now = 0.0
        self.mirror = Mirror(read)
        self.reflector = Reflector(
            collection, "/api/v1/services", self.mirror, self.take, clock=lambda: self.now, sleep=self.sleep
        )
        self.steps: list[Callable[[], None]] = []

    def take(self, changes: Changes) -> None:
        self.changes.append(changes)
        for name in changes.gone:
            assert name in self.told, "what was never told cannot go"
            del self.told[name]
        for name, record in changes.present.items():
            assert self.told.get(name) != record, "what did not change was told"
            self.told[name] = record

    async def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        await asyncio.sleep(0)

    def wanted(self) -> dict[Name, Record]:
        return {record.name: record for item in self.collection.items.values() if (record := read(item))}

    def is_settled(self) -> bool:
        return not self.collection.faults and self.mirror.synced and self.mirror.version == str(self.collection.version)

    async def run(self, *, until: Callable[[], bool], turns: int = 3000) -> None:
        task = asyncio.create_task(self.reflector.run())
        for _ in range(turns):
            await asyncio.sleep(0)
            if until():
                break
            if self.steps and not self.collection.faults:
                self.steps.pop(0)()
        else:
            raise AssertionError(f"not settled; {self.collection.requests[-10:]}")
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


FAULTS = st.sampled_from(("", "away", "gone", "denied", "unknown", "cut"))
Step = tuple[str, Any]
steps = st.one_of(
    st.tuples(st.just("put"), st.tuples(st.sampled_from("abcde"), st.sampled_from(("", "red", "blue")))),
    st.tuples(st.just("remove"), st.sampled_from("abcde")),
    st.tuples(st.just("forget"), st.none()),
    st.tuples(st.just("fault"), FAULTS),
)


def take_step(collection: Collection, step: Step) -> None:
    match step:
        case ("put", (name, color)):
            collection.put(name, color=color)
        case ("remove", name):
            collection.remove(name)
        case ("forget", _):
            collection.forget()
        case ("fault", fault):
            collection.faults.append(fault)


@settings(max_examples=150, deadline=None)
@given(st.lists(steps, max_size=6), st.lists(FAULTS, max_size=6), st.lists(steps, max_size=12))
async def test_any_order_of_events_and_faults_gives_the_collection(
    before: list[Step], faults: list[str], during: list[Step]
) -> None:
    collection = Collection()
    for step in before:
        take_step(collection, step)
    collection.faults += faults
    bench = Bench(collection)
    bench.steps = [lambda step=step: take_step(collection, step) for step in during]  # type: ignore[misc]
    await bench.run(until=lambda: not bench.steps and bench.is_settled())
    assert bench.mirror.records == bench.wanted()
    assert bench.told == bench.wanted()


async def test_a_list_after_410_tells_only_what_differs() -> None:
    collection = Collection()
    for name in "abc":
        collection.put(name, color="red")
    bench = Bench(collection)
    await bench.run(until=bench.is_settled)
    bench.changes.clear()
    collection.put("b", color="blue")
    collection.remove("c")
    collection.forget()
    await bench.run(until=bench.is_settled)
    said = [each for each in bench.changes if each]
    assert [(sorted(name for _, name in each.present), each.gone) for each in said] == [(["b"], (("shop", "c"),))]


async def test_a_watch_that_broke_goes_on_where_it_was_without_a_list() -> None:
    collection = Collection()
    collection.put("a", color="red")
    bench = Bench(collection)
    await bench.run(until=bench.is_settled)
    collection.requests.clear()
    collection.faults += ["cut", "away", "away"]
    for color in ("blue", "green"):
        collection.put("a", color=color)
    await bench.run(until=bench.is_settled)
    assert set(collection.requests) == {"watch"}
    assert bench.told == bench.wanted()


async def test_pauses_grow_while_nobody_answers_and_have_a_limit() -> None:
    collection = Collection()
    collection.faults += ["away"] * 12
    bench = Bench(collection)
    await bench.run(until=bench.is_settled)
    pauses = bench.pauses[:12]
    assert pauses[0] <= 0.2
    assert pauses[0] < pauses[4] < pauses[7]
    assert LONGEST_PAUSE / 2 <= pauses[-1] <= LONGEST_PAUSE


async def test_what_is_known_stays_while_the_api_server_is_away_and_it_is_said_since_when() -> None:
    collection = Collection()
    collection.put("a", color="red")
    bench = Bench(collection)
    await bench.run(until=bench.is_settled)
    assert bench.reflector.trouble == ""
    bench.now = 100.0
    collection.faults += ["away"] * 50
    collection.remove("a")
    await bench.run(until=lambda: len(collection.faults) < 40)
    assert bench.reflector.trouble == "nobody answers"
    assert bench.reflector.since == 100.0
    assert len(bench.told) == 1
    collection.faults.clear()
    await bench.run(until=bench.is_settled)
    assert bench.reflector.trouble == ""
    assert not bench.told


@pytest.mark.parametrize(("fault", "renewed"), [("denied", 0), ("unknown", 3)])
async def test_a_refusal_is_named_and_credentials_are_read_again_where_they_are_the_reason(
    fault: str, renewed: int
) -> None:
    collection = Collection()
    collection.faults += [fault] * 3
    bench = Bench(collection)
    await bench.run(until=lambda: not collection.faults)
    assert bench.reflector.denied
    assert bench.reflector.trouble
    assert collection.renewed == renewed


async def test_a_list_comes_again_after_an_hour_or_so() -> None:
    collection = Collection()
    bench = Bench(collection)
    await bench.run(until=bench.is_settled)
    collection.requests.clear()
    bench.now = 4300.0
    await bench.run(until=lambda: "list" in collection.requests)


async def test_watches_that_end_at_once_are_not_asked_for_in_a_circle() -> None:
    class Silent(Collection):
        async def events(self, path: str, query: Json, *, silence: float) -> Any:
            self.requests.append("watch")
            await asyncio.sleep(0)
            yield {"type": "CONNECTED"}

    bench = Bench(Silent())
    await bench.run(until=lambda: bench.collection.requests.count("watch") >= 6)
    assert len(bench.pauses) >= 5
