"""What is forgotten: old events, old deliveries, logs of old runs; never what is due, under way, or young."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import structlog

from delivery.deliveries import Delivery, DeliveryState
from delivery.flows import forget_history as module
from delivery.flows.forget_history import forget_history
from delivery.flows.world import Limits, World
from pipelines.runs import Run, RunState
from tests.fakes.world import FakeWorld

DAY = 86_400.0


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    with structlog.testing.capture_logs():
        yield


def world_of(shop: FakeWorld, folder: Path, **limits: float) -> World:
    return replace(shop.world, logs=folder, limits=Limits(**limits))  # type: ignore[arg-type]


def test_old_events_and_deliveries_go_and_the_rest_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BATCH", 2)
    shop = FakeWorld()
    now = shop.clock.now()
    for number in range(5):
        shop.store.deliveries.add(
            Delivery(f"old{number}", "shop", "gitlab", f"k{number}", "push", b"{}", now, DeliveryState.PROCESSED)
        )
    shop.store.deliveries.add(Delivery("due", "shop", "gitlab", "due", "push", b"{}", now))
    shop.clock.pass_(31 * DAY)
    late = shop.clock.now()
    shop.store.deliveries.add(Delivery("young", "shop", "gitlab", "young", "push", b"{}", late, DeliveryState.IGNORED))
    shop.world.tell("shop", "project/shop", "project.x", "young")
    forget_history(world_of(shop, tmp_path))
    assert [row.id for row in shop.store.deliveries.find()] == ["due", "young"]
    assert [event.text for event in shop.store.events()] == ["young"]


def a_log(shop: FakeWorld, folder: Path, number: int, state: RunState, days_ago: float, size: int) -> Path:
    shop.store.runs.add(Run(f"shop.{number}", "shop", "refs/heads/main", "main", f"c{number}", number, state))
    path = folder / "runs" / f"shop.{number}" / "page.log"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"x" * size)
    when = shop.clock.now() - days_ago * DAY
    for each in (path, path.parent):
        os.utime(each, (when, when))
    return path


def test_logs_go_by_age_then_by_size_but_not_of_runs_under_way(tmp_path: Path) -> None:
    shop = FakeWorld()
    old = a_log(shop, tmp_path, 1, RunState.FAILED, 31, 10)
    builds = a_log(shop, tmp_path, 2, RunState.BUILDING, 40, 100_000)
    first = a_log(shop, tmp_path, 3, RunState.SUCCEEDED, 3, 100_000)
    second = a_log(shop, tmp_path, 4, RunState.SUCCEEDED, 2, 100_000)
    forget_history(world_of(shop, tmp_path, log_bytes=1_000_000))
    assert (old.exists(), builds.exists(), first.exists(), second.exists()) == (False, True, True, True)
    forget_history(world_of(shop, tmp_path, log_bytes=250_000))
    assert (builds.exists(), first.exists(), second.exists()) == (True, False, True)


def test_without_any_log_nothing_happens(tmp_path: Path) -> None:
    forget_history(world_of(FakeWorld(), tmp_path / "none"))
