"""What people do to a running workload of the local platform: look at replicas, restart, scale, open a shell.

Restart and scale are changes of the desired document, so they outlive the agent. A shell is a child of the process that
asked for it (the API): it has the application's folder and environment, not more. Neighbours: adapter, documents.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import select
import shutil
import signal
import struct
import subprocess
import sys
import termios
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from pydantic import ValidationError

from delivery.adapters.platform_local import documents, launching
from delivery.adapters.platform_local.documents import Desired
from delivery.adapters.platform_local.events import read_events
from delivery.adapters.platform_local.folders import Folders, workload_id
from delivery.adapters.platform_local.podspec import MAX_REPLICAS
from delivery.adapters.platform_local.records import MARK, RECORD, ReplicaRecord
from delivery.errors import NotFound, Rejected
from delivery.workloads import Happening, Replica, WorkloadKey

READ_BYTES = 65_536
GRACE = 1.0  # seconds a shell has after its terminal is gone
STALLED = 5.0  # seconds that keystrokes wait for a program that does not read
# Run in the new session: the terminal becomes its controlling one (tty_ioctl(4)), without which Ctrl-C is only a byte.
AT_TERMINAL = """
import fcntl, os, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
try:
    os.execvp(sys.argv[1], sys.argv[1:])
except OSError as error:
    sys.exit(f"cannot start {sys.argv[1]!r}: {error.strerror}")
"""


class LocalConsole:
    """The part of the platform port that people use by hand."""

    _folders: Folders

    def replicas(self, key: WorkloadKey) -> Sequence[Replica]:
        """Return the workload's replicas, by name."""
        document = documents.read_status(self._folders.status(workload_id(key)))
        told = {each.endpoint: each for each in document.replicas} if document else {}
        found = []
        for record in _records(self._folders, key):
            status = told.get(record.endpoint)
            found.append(
                Replica(
                    name=record.pod,
                    state=record.state,
                    ready=record.state == "ready",
                    restarts=status.restarts if status else 0,
                    reason=status.reason if status else "",
                    node=os.uname().nodename,
                    address=", ".join(f"127.0.0.1:{port}" for port in record.ports.targets.values()),
                    started_at=_started(record),
                )
            )
        return sorted(found, key=lambda each: each.name)

    def events(self, key: WorkloadKey, limit: int = 100) -> Sequence[Happening]:
        """Return what happened to the workload lately, newest last."""
        return read_events(self._folders.events(workload_id(key)), limit)

    def drift(self, key: WorkloadKey) -> Sequence[str]:
        """Return what was scaled by hand; all else the agent keeps as it was applied."""
        desired = documents.read_desired(self._folders.desired(workload_id(key)))
        scaled = desired.spec.replicas if desired else None
        return () if scaled is None else (f"replicas: scaled to {scaled} by hand",)

    def restart(self, key: WorkloadKey, at: float) -> None:
        """Replace every replica started before `at`."""
        self._change(key, lambda held: held if held.restarted >= at else replace(held, restarted=at))

    def scale(self, key: WorkloadKey, replicas: int | None) -> None:
        """Run so many replicas; None: as the manifests say."""
        if replicas is not None and not 0 <= replicas <= MAX_REPLICAS:
            raise Rejected(
                f"{replicas} replicas cannot run on one machine",
                field="replicas",
                value=replicas,
                remedy=f"give a number from 0 to {MAX_REPLICAS}",
            )
        self._change(key, lambda held: replace(held, spec=replace(held.spec, replicas=replicas)))

    def shell(self, key: WorkloadKey, replica: str, command: Sequence[str]) -> LocalShell:
        """Start `command` at a terminal in the replica's folder and environment."""
        records = _records(self._folders, key)
        chosen = [each for each in records if each.pod == replica or (not replica and each.state == "ready")]
        if not chosen:
            names = ", ".join(each.pod for each in records) or "none"
            raise NotFound(f"{key.service} has no such replica that is ready (replicas: {names})", value=replica)
        cwd, env = launching.app_surroundings(chosen[0], self._folders, dict(os.environ))
        del env[MARK]  # the agent ends what carries it and is no application of its own
        return LocalShell(command, cwd, {**env, "TERM": "xterm-256color"})

    def _change(self, key: WorkloadKey, change: Callable[[Desired], Desired]) -> None:
        path = self._folders.desired(workload_id(key))
        with self._folders.lock():
            held = documents.read_desired(path)
            if held is None or held.removed:
                raise NotFound(f"{key.service} {key.version} does not run there", field="service", value=key.service)
            fresh = change(held)
            if fresh != held:
                documents.write_desired(path, fresh)


class LocalShell:
    """A program at a pseudo-terminal. Contract: `delivery.ports.platform.Shell`."""

    def __init__(self, command: Sequence[str], cwd: Path, env: dict[str, str]) -> None:
        program = command[0] if "/" in command[0] else shutil.which(command[0], path=env.get("PATH"))
        if program is None or not os.access(cwd / program, os.X_OK) or not cwd.is_dir():
            raise Rejected(f"cannot start {command[0]!r}: there is no such program", field="command", value=command)
        self._terminal, theirs = pty.openpty()
        os.set_blocking(self._terminal, False)
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-S", "-c", AT_TERMINAL, *command],
                cwd=cwd,
                env=env,
                stdin=theirs,
                stdout=theirs,
                stderr=theirs,
                start_new_session=True,
            )
        except OSError as error:
            os.close(self._terminal)
            raise Rejected(f"cannot start {command[0]!r}: {error.strerror}", field="command", value=command) from error
        finally:
            os.close(theirs)

    def read(self, seconds: float) -> bytes | None:
        """Return output as it comes."""
        if not self._is(select.POLLIN, seconds):
            return b"" if self._process.poll() is None else None
        try:
            return os.read(self._terminal, READ_BYTES) or None
        except OSError:  # EIO: nobody holds the other end any more
            return None

    def write(self, data: bytes) -> None:
        """Send keystrokes; those to a program that has ended, or has not read for STALLED seconds, are lost."""
        with contextlib.suppress(OSError):
            while data and self._is(select.POLLOUT, STALLED):
                data = data[os.write(self._terminal, data) :]

    def _is(self, event: int, seconds: float) -> bool:
        """Wait for it (`select` cannot watch descriptors from 1024 on)."""
        poll = select.poll()
        poll.register(self._terminal, event)
        return bool(poll.poll(1000 * seconds))

    def resize(self, columns: int, rows: int) -> None:
        """Tell the size of the window."""
        with contextlib.suppress(OSError):
            fcntl.ioctl(self._terminal, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def close(self) -> int | None:
        """End the program and all it has started."""
        ended = self._process.poll()
        for number in (signal.SIGHUP, signal.SIGKILL):
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, number)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(GRACE)
                break
        os.close(self._terminal)
        return ended


def _records(folders: Folders, key: WorkloadKey) -> list[ReplicaRecord]:
    found = []
    for path in folders.run(workload_id(key)).glob("*/record.json"):
        with contextlib.suppress(OSError, ValidationError):  # it goes at this moment
            found.append(RECORD.validate_json(path.read_bytes()))
    return sorted(found, key=lambda each: each.ordinal)


def _started(record: ReplicaRecord) -> float | None:
    """Return when the application's process started."""
    if record.app is None:
        return None
    with contextlib.suppress(OSError):
        return Path(f"/proc/{record.app.pid}").stat().st_ctime
    return None
