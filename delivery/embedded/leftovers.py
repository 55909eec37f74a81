"""One `up` on one state directory: the lock, and the end of whatever a killed one left running. Neighbour: stack.

Processes are known by their records (pid, start time, boot) and by a mark in their environment, which also their
own children carry (builds above all).
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

from delivery.errors import Conflict
from delivery.processes.identity import find_marked, identify
from delivery.processes.private import make_private
from delivery.processes.process import Process
from delivery.processes.records import delete_record, living_records

MARK = "COLORLANE_PROCESS"
GRACE = 10.0  # seconds; the agent ends its workloads in that time


@contextlib.contextmanager
def alone(state_dir: Path) -> Iterator[None]:
    """Hold the lock of the state directory. Raises Conflict with the pid of the `up` that has it.

    The kernel gives the lock back when its holder dies, however it dies.
    """
    make_private(state_dir)
    with open(state_dir / "up.lock", "a+", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            holder = file.read().strip() or "?"
            raise Conflict(
                f"`colorlane up` runs already on {state_dir} (pid {holder})",
                field="COLORLANE_STATE_DIR",
                value=str(state_dir),
                remedy=f"stop pid {holder}, or use another --state-dir",
            ) from None
        file.truncate(0)
        file.write(f"{os.getpid()}\n")
        file.flush()
        yield


def mark(state_dir: Path, name: str) -> str:
    """Return the value of MARK for a process."""
    return f"{state_dir}:{name}"


async def end_leftovers(state_dir: Path, grace: float = GRACE) -> list[str]:
    """End processes of an earlier `up`; return their names. SIGTERM first: the agent then ends its workloads."""
    records = state_dir / "processes"
    found = {record.identity.pid: record.name for record in living_records(records)}
    for pid, value in find_marked(MARK, mark(state_dir, "")):
        if pid != os.getpid():
            found.setdefault(pid, value.rpartition(":")[2])
    await asyncio.gather(*(_end(pid, grace) for pid in found))
    for path in records.glob("*.json"):
        delete_record(records, path.stem)
    return sorted(set(found.values()))


async def _end(pid: int, grace: float) -> None:
    identity = identify(pid)
    if identity is not None:
        await Process(identity).stop(grace)
