"""The supervisor of the embedded stack on real processes."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from delivery.embedded.leftovers import MARK, alone
from delivery.errors import Conflict, Transient
from delivery.processes.identity import find_marked
from tests.integration.embedded.supervised import free_ports, running, server

pytestmark = pytest.mark.integration
ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def ports():
    return free_ports(2)


def marked(state_dir):
    return [pid for pid, _ in find_marked(MARK, f"{state_dir}:")]


async def until(condition, seconds=10.0):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "condition did not come true in time"
        await asyncio.sleep(0.005)


async def test_what_is_needed_starts_first_and_everything_ends(tmp_path, ports):
    async with running(tmp_path, server("first", ports[0]), server("second", ports[1], "first")) as (stack, progress):
        assert [line.split()[0] for line in progress] == ["first", "second"]
        assert sorted(marked(tmp_path)) == sorted(stack.process_of(name).pid for name in ("first", "second"))
    assert marked(tmp_path) == []
    assert list((tmp_path / "processes").glob("*.json")) == []


async def test_a_killed_process_is_back_at_once(tmp_path, ports):
    async with running(tmp_path, server("first", ports[0])) as (stack, _):
        before = stack.process_of("first").pid
        began = time.monotonic()
        os.kill(before, signal.SIGKILL)
        await until(lambda: stack.process_of("first") is not None and stack.process_of("first").pid != before)
        assert time.monotonic() - began < 0.3
        assert stack.restarts_of("first") == 1


async def test_a_process_that_fails_at_its_start_is_shown_with_its_last_words(tmp_path, ports):
    broken = server("first", ports[0], prelude="raise SystemExit('COLORLANE_X is wrong')")
    with pytest.raises(ExceptionGroup) as caught:
        async with running(tmp_path, broken, server("second", ports[1], "first")):
            pass
    failure = caught.value.exceptions[0]
    assert isinstance(failure, Transient)
    assert "first exited with code 1 after" in failure.message
    assert failure.message.endswith("  COLORLANE_X is wrong")
    assert "second" not in failure.message
    assert marked(tmp_path) == []


def start_main(tmp_path, ports):
    """Start a supervisor in a process of its own; return it once everything is ready, with what it printed."""
    argv = [sys.executable, "-m", "tests.integration.embedded.supervised", str(tmp_path), *map(str, ports)]
    main = subprocess.Popen(argv, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    lines = [main.stdout.readline().strip() for _ in range(2)]
    return main, lines


def test_a_killed_up_leaves_nothing_that_the_next_does_not_end(tmp_path, ports):
    first, _ = start_main(tmp_path, ports)
    stubborn = [pid for pid, value in find_marked(MARK, f"{tmp_path}:") if value.endswith(":first")]
    first.kill()
    first.wait()
    asyncio.run(until(lambda: marked(tmp_path) == stubborn))  # the other one ended with its parent
    second, lines = start_main(tmp_path, ports)
    assert lines[0] == "ended: first"
    assert not set(stubborn) & set(marked(tmp_path))
    second.kill()
    second.wait()
    for pid in marked(tmp_path):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def test_a_second_up_is_refused_with_the_pid(tmp_path):
    with alone(tmp_path), pytest.raises(Conflict, match=f"pid {os.getpid()}"), alone(tmp_path):
        pass
    with alone(tmp_path):
        pass
