"""Tasks: a body never raises, whatever its flow does; wake-ups never raise, whatever the broker does."""

from __future__ import annotations

import pytest
import structlog

from delivery.errors import Broken, Conflict, NotFound, Transient
from delivery.worker import tasks
from delivery.worker.tasks import FLOWS, perform, register
from delivery.worker.wakeups import BUILD, CONTROL, TASKS, Wakeups, producer
from tests.fakes.background import free_port
from tests.fakes.world import FakeWorld


def test_every_task_has_a_flow_and_only_builds_are_apart() -> None:
    assert FLOWS.keys() == TASKS.keys()
    assert [name for name, queue in TASKS.items() if queue == BUILD] == ["execute_job"]
    assert set(TASKS.values()) == {CONTROL, BUILD}


@pytest.mark.parametrize("error", [NotFound("x"), Conflict("x"), Transient("x"), Broken("x"), ValueError("x")])
def test_errors_become_one_log_line(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    def fail(world: object, id: str) -> None:
        raise error

    monkeypatch.setattr(tasks, "FLOWS", {"advance_run": fail})
    with structlog.testing.capture_logs() as logs:
        perform(FakeWorld().world, "advance_run", "shop.1")
    assert len(logs) == 1
    assert logs[0]["id"] == "shop.1"


def test_worlds_are_made_at_the_first_message_only() -> None:
    made: list[int] = []

    def world() -> object:
        made.append(1)
        return FakeWorld().world

    app = producer("redis://127.0.0.1:1/0")
    register(app, world)  # type: ignore[arg-type]
    assert not made
    with structlog.testing.capture_logs():
        app.tasks["colorlane.advance_run"]("shop.404")
    assert made == [1]


def test_rollouts_are_ticked_in_place_while_the_broker_is_away(monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[tuple[str, str]] = []
    monkeypatch.setattr(tasks, "perform", lambda world, task, id: done.append((task, id)))
    wake = Wakeups(f"redis://127.0.0.1:{free_port()}/0")
    nudge = tasks.nudger(FakeWorld().world, wake)
    with structlog.testing.capture_logs():
        for task in ("advance_rollout", "advance_run", "advance_rollout"):
            nudge(task, "shop.1.page")
    assert wake.away
    assert done == [("advance_rollout", "shop.1.page")] * 2
    monkeypatch.setattr(Wakeups, "__call__", lambda self, task, id: setattr(self, "_away", False))
    nudge("advance_rollout", "shop.1.page")
    assert len(done) == 2


def test_broker_that_is_away_costs_a_log_line() -> None:
    wake = Wakeups(f"redis://127.0.0.1:{free_port()}/0")
    with structlog.testing.capture_logs() as logs:
        for _ in range(3):
            wake("advance_run", "shop.1")
    assert [line["event"] for line in logs] == ["broker away, wakes are lost"]
