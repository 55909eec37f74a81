"""One process, spawned by us or adopted from an earlier life of ours: start, see its end, stop it.

Exits are seen through pidfds, which work for children and strangers alike. Neighbours: identity, logfiles.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import os
import signal
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from delivery.processes.identity import Identity, boot_id, identify, is_alive, read_stat, session_members

PR_SET_PDEATHSIG = 1
KILL_ROUNDS = 50  # a session that forks faster than we kill is given up after this many looks


@dataclass(frozen=True)
class Exit:
    """How a process ended; `code` as subprocess has it (negative: signal), None when it was not our child."""

    code: int | None

    def describe(self) -> str:
        """Return words for people: "exited with code 1", "was killed by SIGKILL"."""
        if self.code is None:
            return "ended"
        if self.code >= 0:
            return f"exited with code {self.code}"
        try:
            return f"was killed by {signal.Signals(-self.code).name}"
        except ValueError:
            return f"was killed by signal {-self.code}"


class Process:
    """A running or ended process. Make one with `spawn` or `adopt`."""

    def __init__(self, identity: Identity, popen: subprocess.Popen[bytes] | None = None) -> None:
        self.identity = identity
        self._popen = popen

    @property
    def pid(self) -> int:
        """Return the process id."""
        return self.identity.pid

    def alive(self) -> bool:
        """Tell whether it still runs."""
        if self._popen is not None and self._popen.poll() is not None:
            return False
        return is_alive(self.identity)

    async def wait(self) -> Exit:
        """Return when the process has ended."""
        await _wait_for_end(self.identity)
        if self._popen is None:
            return Exit(None)
        return Exit(self._popen.wait())  # the pidfd said so: returns at once, and reaps

    def signal(self, number: int) -> None:
        """Send a signal to the process and its group; a dead one, or a recycled pid, gets nothing."""
        if self.alive():
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.pid, number)

    async def stop(self, grace: float) -> Exit:
        """End it: SIGTERM to the group, up to `grace` seconds, then SIGKILL to everything of its session."""
        self.signal(signal.SIGTERM)
        waiter = asyncio.ensure_future(self.wait())
        done, _ = await asyncio.wait({waiter}, timeout=grace)
        if not done:
            self.signal(signal.SIGKILL)
        await kill_session(self.identity)
        return await waiter


def spawn(
    argv: Sequence[str],
    *,
    cwd: Path,
    env: Mapping[str, str],
    log: Path,
    end_with_parent: int | None = None,
    group: int | None = None,
) -> Process:
    """Start a program in a session of its own, its output appended to `log`.

    A file, not a pipe: the program outlives us without blocking or SIGPIPE. O_APPEND, so that the file can be
    truncated under it. `env` is the whole environment. `end_with_parent`: signal it gets when the *thread* that
    called this ends (PR_SET_PDEATHSIG, prctl(2)). `group`: its primary group, where that is not ours (needs root).
    Raises OSError when the program cannot be started.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    try:
        popen = subprocess.Popen(
            list(argv),
            cwd=cwd,
            env=dict(env),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
            group=group,
            preexec_fn=None if end_with_parent is None else _end_with_parent(end_with_parent),
        )
    finally:
        os.close(output)
    # It may have ended already; as our unreaped child it still holds its pid and start time.
    return Process(identify(popen.pid) or _identity_of_zombie(popen.pid), popen)


def adopt(identity: Identity) -> Process | None:
    """Return a handle on a process that somebody started earlier, None when it has ended."""
    return Process(identity) if is_alive(identity) else None


async def kill_session(leader: Identity) -> None:
    """SIGKILL whatever is left of the session that `leader` opened, and wait until it is gone."""
    for _ in range(KILL_ROUNDS):
        members = session_members(leader)
        if not members:
            return
        for pid in members:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        await asyncio.sleep(0.01)


async def _wait_for_end(identity: Identity) -> None:
    try:
        descriptor = os.pidfd_open(identity.pid)
    except ProcessLookupError:
        return
    try:
        if not is_alive(identity):  # looked at after opening: from here on the descriptor cannot mean another
            return
        loop = asyncio.get_running_loop()
        ended = asyncio.Event()
        loop.add_reader(descriptor, ended.set)
        try:
            await ended.wait()
        finally:
            loop.remove_reader(descriptor)
    finally:
        os.close(descriptor)


def _identity_of_zombie(pid: int) -> Identity:
    stat = read_stat(pid)
    return Identity(pid, stat.started if stat else 0, boot_id())


def _end_with_parent(number: int) -> Callable[[], None]:
    libc = ctypes.CDLL(None, use_errno=True)  # loaded before the fork: nothing may take locks after it
    parent = os.getpid()

    def ask_kernel() -> None:
        libc.prctl(PR_SET_PDEATHSIG, number, 0, 0, 0)
        if os.getppid() != parent:  # the parent died between fork and prctl: no signal will come
            os._exit(1)

    return ask_kernel
