"""Processes: exits, stopping a whole session, adoption by identity, death with the parent."""

import asyncio
import dataclasses
import os
import signal
import subprocess
import sys
import time

import pytest

from delivery.processes.identity import find_marked, identify, is_alive, session_members
from delivery.processes.process import Exit, adopt, spawn

PY = sys.executable


async def until(condition, seconds=10.0):
    """Return the condition's first true value; fail after `seconds`."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if value := condition():
            return value
        await asyncio.sleep(0.01)
    raise AssertionError("condition did not come true in time")


def start(tmp_path, code, **more):
    return spawn([PY, "-u", "-c", code], cwd=tmp_path, env={"PATH": os.environ["PATH"]}, log=tmp_path / "log", **more)


async def test_exit_code_and_output_are_seen(tmp_path):
    process = start(tmp_path, "import sys; print('out'); print('err', file=sys.stderr); sys.exit(3)")
    assert await process.wait() == Exit(3)
    assert (tmp_path / "log").read_text().split() == ["out", "err"]
    assert not process.alive()


def test_exits_are_described():
    assert Exit(1).describe() == "exited with code 1"
    assert Exit(-9).describe() == "was killed by SIGKILL"
    assert Exit(None).describe() == "ended"


async def test_stop_kills_children_that_ignore_sigterm(tmp_path):
    child = "import signal,time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('child up'); time.sleep(60)"
    code = f"import subprocess,sys,time; subprocess.Popen([sys.executable, '-u', '-c', {child!r}]); time.sleep(60)"
    process = start(tmp_path, code)
    await until(lambda: "child up" in (tmp_path / "log").read_text())
    assert len(session_members(process.identity)) == 2
    assert await process.stop(grace=5) == Exit(-signal.SIGTERM)
    assert session_members(process.identity) == []


async def test_stop_uses_sigkill_after_the_grace(tmp_path):
    process = start(tmp_path, "import signal,time; signal.signal(15, signal.SIG_IGN); print('up'); time.sleep(60)")
    await until(lambda: "up" in (tmp_path / "log").read_text())
    assert await process.stop(grace=0.1) == Exit(-signal.SIGKILL)


async def test_a_recycled_pid_is_never_signalled(tmp_path):
    process = start(tmp_path, "import time; time.sleep(60)")
    stranger = dataclasses.replace(process.identity, started=process.identity.started - 1)
    assert adopt(stranger) is None
    assert session_members(stranger) == []
    assert is_alive(process.identity)
    await process.stop(grace=5)


async def test_the_end_of_an_adopted_process_is_seen(tmp_path):
    process = start(tmp_path, "import time; time.sleep(60)")
    adopted = adopt(process.identity)
    assert adopted is not None
    waiter = asyncio.ensure_future(adopted.wait())
    os.kill(process.pid, signal.SIGKILL)
    assert await asyncio.wait_for(waiter, 5) == Exit(None)
    await process.wait()


def test_a_process_can_end_with_its_parent(tmp_path):
    parent = f"""
import os, pathlib, signal
from delivery.processes.process import spawn
here = pathlib.Path({str(tmp_path)!r})
child = spawn([{PY!r}, '-c', 'import time; time.sleep(60)'], cwd=here, env={{}}, log=here / 'child.log',
              end_with_parent=signal.SIGTERM)
print(child.pid, flush=True)
signal.pause()
"""
    outer = subprocess.Popen([PY, "-c", parent], stdout=subprocess.PIPE)
    child = identify(int(outer.stdout.readline()))
    assert is_alive(child)
    outer.kill()
    outer.wait()
    asyncio.run(until(lambda: not is_alive(child)))


async def test_marked_processes_are_found_by_their_environment(tmp_path):
    process = spawn([PY, "-c", "import time; time.sleep(60)"], cwd=tmp_path, env={"MARK": f"{tmp_path}:a"},
                    log=tmp_path / "log")  # fmt: skip
    found = await until(lambda: find_marked("MARK", f"{tmp_path}:"))
    assert found == [(process.pid, f"{tmp_path}:a")]
    await process.stop(grace=5)


def test_a_program_that_cannot_start_raises(tmp_path):
    with pytest.raises(FileNotFoundError):
        spawn(["/no/such/program"], cwd=tmp_path, env={}, log=tmp_path / "log")
