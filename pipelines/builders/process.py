"""Process builder: runs a job's command as processes of the worker's user. Neighbours: guard, hiding, tools, runner.

It isolates for reliability (own session, own HOME, clean environment, time limit), not for security: a build may do
what the worker's user may, but for reading what is hidden from it (`hiding`). The docs say so.
"""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from pipelines.builders import guard
from pipelines.builders.tools import build_environment
from pipelines.ports import Ending, KeepGoing, Log, Outcome

POLL = 0.25  # seconds between looks at the clock and at `keep_going` while the command is silent
_CHUNK = 65536


class ProcessBuilder:
    """The builder of commands; see the contract in ports.

    `hidden`: files and folders that commands cannot read, nor other processes' memory and environment with them; the
    folder that `home` lies in, a job's own, is not hidden.
    """

    def __init__(self, hidden: Sequence[Path] = ()) -> None:
        self._hidden = tuple(map(str, hidden))

    def execute(
        self, command: str, *, cwd: Path, home: Path, timeout: float, log: Log, keep_going: KeepGoing
    ) -> Outcome:
        """Run the command under a guard; its output goes to `log` as it comes."""
        (home / "tmp").mkdir(parents=True, exist_ok=True)
        started = time.monotonic()
        hiding = (str(home.parent), *self._hidden) if self._hidden else ()
        process = subprocess.Popen(
            [sys.executable, "-I", "-S", guard.__file__, str(os.getpid()), command, *hiding],
            cwd=cwd,
            env=build_environment(home, os.environ),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        ending = Ending.CANCELED
        try:
            ending = _follow(process, started + timeout, log, keep_going)
        finally:
            _end(process, log, stop=ending is not Ending.EXITED)
        return Outcome(ending, process.returncode, time.monotonic() - started)


def _follow(process: subprocess.Popen[bytes], deadline: float, log: Log, keep_going: KeepGoing) -> Ending:
    """Copy output until its end, which comes when the guard has ended; stop early on the deadline or when told to."""
    output, poll = _output(process)
    asked = 0.0
    while True:
        now = time.monotonic()
        if now >= deadline:
            return Ending.TIMED_OUT
        if now - asked >= POLL:
            asked = now
            if not keep_going():
                return Ending.CANCELED
        if poll.poll(1000 * min(POLL, deadline - now)):
            chunk = os.read(output, _CHUNK)
            if not chunk:
                return Ending.EXITED
            log.write(chunk)


def _end(process: subprocess.Popen[bytes], log: Log, *, stop: bool) -> None:
    """Make sure that nothing is left: ask the guard, and if it does not answer, kill its whole process group."""
    if stop:
        process.send_signal(signal.SIGTERM)
        _drain(process, log, guard.GRACE + 5.0)
    try:
        process.wait(5.0)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    if process.stdout is not None:
        process.stdout.close()


def _drain(process: subprocess.Popen[bytes], log: Log, seconds: float) -> None:
    """Take the last words, so that a full pipe does not keep the command from ending."""
    (output, poll), deadline = _output(process), time.monotonic() + seconds
    while (left := deadline - time.monotonic()) > 0 and poll.poll(1000 * left):
        chunk = os.read(output, _CHUNK)
        if not chunk:
            return
        log.write(chunk)


def _output(process: subprocess.Popen[bytes]) -> tuple[int, select.poll]:
    """Return the output's descriptor and a poll on it (`select` cannot watch descriptors from 1024 on)."""
    assert process.stdout is not None  # noqa: S101 - it was asked for
    poll = select.poll()
    poll.register(process.stdout, select.POLLIN)
    return process.stdout.fileno(), poll
