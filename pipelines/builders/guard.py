"""Guard: the process between a worker and a build; when the worker dies, so does all that the build has started.

Run as a script, `guard.py <worker's pid> <command> [<shown> <hidden>...]`, by `process`, alone in its session and with
the standard library only; what is hidden (`hiding`) neither it nor the command can read. It is the *subreaper* of all
its descendants (prctl(2), PR_SET_CHILD_SUBREAPER): a build's daemons that fork twice become its children and are found.
It asks for SIGTERM on its parent's death (PR_SET_PDEATHSIG): that signal is not inherited, so without a guard only the
shell would die and what it had started would live on.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import time
from contextlib import suppress
from types import FrameType

PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36
NICENESS = 5  # a build gets about a third of what a serving process gets when both want the processor
GRACE = 2.0  # seconds between SIGTERM and SIGKILL


class _Told(Exception):
    """SIGTERM came: the job is canceled, out of time, or its worker is dead."""


def main(worker: int, command: str, shown: str = "", *hidden: str) -> int:
    """Run the command; return its status as a shell would (128 + n for signal n). Leaves no descendant."""
    signal.signal(signal.SIGTERM, _stop)
    try:
        libc = ctypes.CDLL(None, use_errno=True)
        libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
        libc.prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
        if os.getppid() != worker:  # it died before the line above took effect
            return 128 + signal.SIGTERM
        os.nice(NICENESS)
        if hidden and not _hide(shown, hidden):
            os.write(2, b"colorlane: this kernel has no Landlock: the command can read what the worker can\n")
        shell = os.posix_spawn("/bin/sh", ["sh", "-c", command], os.environ, setsigdef=[signal.SIGTERM, signal.SIGPIPE])
        status = _wait_for(shell)
    except _Told:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        _end_all(signal.SIGTERM, GRACE)
        status = 128 + signal.SIGTERM
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    _end_all(signal.SIGKILL, 30.0)
    return status


def _hide(shown: str, hidden: tuple[str, ...]) -> bool:
    import runpy  # only where something is hidden: it costs milliseconds

    # By path: a script that is run isolated does not see its own folder.
    hiding = runpy.run_path(os.path.join(os.path.dirname(__file__), "hiding.py"))
    return bool(hiding["hide"](hidden, (shown,)))


def _stop(_number: int, _frame: FrameType | None) -> None:
    raise _Told


def _wait_for(shell: int) -> int:
    """Reap whatever ends, adopted descendants too, until the shell has."""
    while True:
        pid, status = os.waitpid(-1, 0)
        if pid == shell:
            code = os.waitstatus_to_exitcode(status)
            return code if code >= 0 else 128 - code


def _end_all(number: int, seconds: float) -> None:
    """Signal every descendant, and those they fork meanwhile, until none is left or the time is over."""
    deadline = time.monotonic() + seconds
    told: set[int] = set()
    while left := _descendants():
        for pid in left:
            if number == signal.SIGKILL or pid not in told:
                told.add(pid)
                _signal(pid, number)
        _reap()
        if time.monotonic() > deadline:
            return
        time.sleep(0.01)


def _signal(pid: int, number: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, number)


def _reap() -> None:
    with suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def _descendants() -> set[int]:
    """Return the pids below this process, read from /proc."""
    children: dict[int, list[int]] = {}
    for name in os.listdir("/proc"):  # pathlib would double this script's start
        if name.isdigit():
            try:  # "pid (name) state ppid ...": the name may hold spaces and brackets
                with open(f"/proc/{name}/stat", encoding="utf-8", errors="replace") as stat:
                    parent = int(stat.read().rpartition(")")[2].split()[1])
            except (OSError, IndexError, ValueError):
                continue
            children.setdefault(parent, []).append(int(name))
    found: set[int] = set()
    waiting = [os.getpid()]
    while waiting:
        fresh = [pid for pid in children.get(waiting.pop(), []) if pid not in found]
        found.update(fresh)
        waiting += fresh
    return found


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), *sys.argv[2:]))
