"""Work beside the job's thread: results, errors, and an end soon after it is asked for."""

from __future__ import annotations

import time

import pytest

from pipelines.images.beside import Halt, run_beside
from pipelines.ports import Stopped


def test_results_and_errors_come_through() -> None:
    assert run_beside(lambda halt: 3, lambda: True) == 3
    with pytest.raises(KeyError):
        run_beside(lambda halt: {}["x"], lambda: True)


def test_the_question_is_asked_while_the_work_waits() -> None:
    asked: list[float] = []

    def keep_going() -> bool:
        asked.append(time.monotonic())
        return len(asked) < 3

    with pytest.raises(Stopped):
        run_beside(lambda halt: halt.pause(60), keep_going)
    assert len(asked) == 3


def test_work_that_ends_though_told_to_stop_counts_as_stopped() -> None:
    def work(halt: Halt) -> str:
        with pytest.raises(Stopped):
            halt.pause(60)
        return "done"

    with pytest.raises(Stopped):
        run_beside(work, lambda: False)
