"""Server-sent events: form, resumption, end."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from fastapi.testclient import TestClient

from delivery.api.streams import Seats, trail
from delivery.cli.watch import events
from delivery.errors import Transient
from delivery.rollouts.model import Phase
from tests.unit.delivery.api.conftest import House


async def test_the_trail_begins_now_and_goes_on(house: House) -> None:
    house.world.tell("bookshop", "run/1", "run.old", "old")
    stream = trail(house.world, "", "", None, 0.001)
    assert (await anext(stream)).startswith("retry:")
    house.world.tell("bookshop", "run/1", "run.new", "new\nline")
    text = await anext(stream)
    assert "event: event\n" in text
    assert json.loads(text.split("data: ")[1])["text"] == "new\nline"
    await stream.aclose()


async def test_it_resumes_where_it_was_left(house: House) -> None:
    for number in range(4):
        house.world.tell("bookshop", "run/1", "run.step", str(number))
    first = house.store.events()[0].id
    stream = trail(house.world, "bookshop", "", first, 0.001)
    await anext(stream)
    assert [json.loads((await anext(stream)).split("data: ")[1])["text"] for _ in range(3)] == ["1", "2", "3"]
    await stream.aclose()


async def test_silence_is_broken_so_that_nobody_hangs_up(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("delivery.api.streams.HEARTBEAT", 0.002)
    stream = trail(house.world, "", "", 0, 0.001)
    await anext(stream)
    assert (await anext(stream)).startswith(":")
    await stream.aclose()


def test_a_rollouts_stream_ends_with_it(house: House, client: TestClient) -> None:
    row = house.rollout()
    house.store.rollouts.save(replace(row, phase=Phase.PROMOTED))
    house.world.tell("bookshop", "rollout/r1", "rollout.promoted", "promoted")
    answer = client.get("/api/v1/rollouts/r1/events")
    assert answer.headers["content-type"].startswith("text/event-stream")
    seen = list(events(answer.text.splitlines()))
    assert [kind for kind, _ in seen] == ["event", "rollout", "end"]
    assert seen[1][1]["phase"] == "promoted"


async def test_seats_are_taken_by_reading_and_given_back_by_leaving(house: House) -> None:
    seats = Seats(1)
    seats.check()
    stream = seats.seated(trail(house.world, "", "", None, 0.001))
    seats.check()
    await anext(stream)
    with pytest.raises(Transient):
        seats.check()
    await stream.aclose()
    seats.check()


def test_one_stream_too_many_is_told_to_wait(house: House, client: TestClient) -> None:
    house.job(house.run(), "reviews", "built\n")
    house.rollout()
    client.app.state.context.seats._number = 0
    for path in ("events", "rollouts/r1/events", "runs/bookshop.1/logs"):
        answer = client.get(f"/api/v1/{path}")
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "5"), path
