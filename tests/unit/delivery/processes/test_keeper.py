"""A kept program is started again, with its last end known, and stays stopped once stopped."""

import asyncio
import os
import signal
import sys
import time

import pytest

from delivery.processes.backoff import Backoff
from delivery.processes.keeper import Keeper
from delivery.processes.process import spawn

QUICK = Backoff(first=0.01, factor=1, ceiling=0.01, forgiven_after=60)


@pytest.fixture
def keep(tmp_path):
    """Return a function that keeps `python -c code` running."""
    keepers = []

    def start(code):
        def launch():
            return spawn([sys.executable, "-c", code], cwd=tmp_path, env={}, log=tmp_path / "log")

        keepers.append(Keeper(launch, QUICK, lambda: None))
        keepers[-1].start()
        return keepers[-1]

    return start


async def until(condition, seconds=10.0):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "condition did not come true in time"
        await asyncio.sleep(0.01)


async def test_a_crashing_program_is_started_again(keep):
    keeper = keep("raise SystemExit(4)")
    await until(lambda: keeper.restarts >= 2)
    assert keeper.last_end.describe().startswith("exited with code 4 after 0.")
    assert keeper.failures >= 2
    await keeper.stop(grace=1)
    assert keeper.process is None


async def test_a_killed_program_comes_back_as_another_process(keep):
    keeper = keep("import time; time.sleep(60)")
    await until(lambda: keeper.process is not None)
    first = keeper.process.pid
    os.kill(first, signal.SIGKILL)
    await until(lambda: keeper.process is not None and keeper.process.pid != first)
    last = keeper.process
    await keeper.stop(grace=5)
    assert not last.alive()


async def test_an_abandoned_program_runs_on(keep):
    keeper = keep("import time; time.sleep(60)")
    await until(lambda: keeper.process is not None)
    process = keeper.process
    await keeper.abandon()
    assert process.alive()
    await process.stop(grace=5)


async def test_a_program_that_cannot_start_is_a_problem_not_an_error(tmp_path):
    def launch():
        raise FileNotFoundError("no such program")

    keeper = Keeper(launch, QUICK, lambda: None)
    keeper.start()
    await until(lambda: keeper.restarts >= 2)
    assert keeper.last_end.describe() == "cannot be started: no such program"
    await keeper.stop(grace=1)
