"""Who a process is: pid plus start time plus boot, so that a recycled pid is never mistaken for the old process.

Neighbours: records (keeps identities), process (signals them). Source: proc(5), /proc/<pid>/stat.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
DEAD_STATES = ("Z", "X", "x")


@dataclass(frozen=True)
class Identity:
    """`started` is in clock ticks since boot (field 22 of /proc/<pid>/stat); `boot` names that boot."""

    pid: int
    started: int
    boot: str


@dataclass(frozen=True)
class Stat:
    """The few fields of /proc/<pid>/stat that matter here."""

    pid: int
    state: str
    parent: int
    session: int
    started: int


def read_stat(pid: int) -> Stat | None:
    """Return the kernel's word on a process, None when there is no such process."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(errors="replace")
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return None
    # The command name stands in parentheses and may itself contain spaces and parentheses.
    fields = text[text.rindex(")") + 2 :].split()
    return Stat(pid, state=fields[0], parent=int(fields[1]), session=int(fields[3]), started=int(fields[19]))


def boot_id() -> str:
    """Return the id of this boot of the machine (start times are counted from it)."""
    return BOOT_ID.read_text().strip()


def identify(pid: int) -> Identity | None:
    """Return the identity of a running process; None for a dead one (a zombie is dead)."""
    stat = read_stat(pid)
    if stat is None or stat.state in DEAD_STATES:
        return None
    return Identity(pid, stat.started, boot_id())


def is_alive(identity: Identity) -> bool:
    """Tell whether exactly this process still runs."""
    return identify(identity.pid) == identity


def all_pids() -> Iterator[int]:
    """Yield the pids of all processes that are visible."""
    for entry in os.scandir("/proc"):
        if entry.name.isdigit():
            yield int(entry.name)


def session_members(leader: Identity) -> list[int]:
    """Return the living processes of the session that `leader` opened, the leader included.

    A process with the leader's pid but another start time has recycled the number: its session is not ours.
    """
    holder = read_stat(leader.pid)
    if leader.boot != boot_id() or (holder is not None and holder.started != leader.started):
        return []
    stats = (read_stat(pid) for pid in all_pids())
    return [s.pid for s in stats if s and s.session == leader.pid and s.state not in DEAD_STATES]


def find_marked(name: str, prefix: str) -> list[tuple[int, str]]:
    """Return (pid, value) of processes of this user whose environment variable `name` starts with `prefix`.

    The environment survives everything that records do not: a crash between the start of a process and the
    writing of its record, a deleted record, a double fork.
    """
    found = []
    wanted = f"{name}={prefix}".encode()
    for pid in all_pids():
        try:
            environ = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
        except OSError:
            continue
        value = next((item for item in environ if item.startswith(wanted)), None)
        if value is not None:
            found.append((pid, value.decode(errors="replace").partition("=")[2]))
    return found
