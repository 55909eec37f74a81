"""Owners: names of processes in leases, and which of them are dead. Neighbours: bootstrap, tasks (adopts at start)."""

from __future__ import annotations

import os
import platform


def this_process() -> str:
    """Return this process's name in leases; the start time tells it from a later process with the same pid."""
    return f"{platform.node()}/{os.getpid()}/{_started(os.getpid())}"


def is_dead(owner: str) -> bool:
    """Tell whether `owner` was a process of this machine that is no more; other machines are never judged."""
    node, _, rest = owner.partition("/")
    pid, _, started = rest.partition("/")
    return node == platform.node() and pid.isdigit() and _started(int(pid)) != started


def _started(pid: int) -> str:
    """Return the process's start in clock ticks since boot (proc(5), field 22), or "" when there is none."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
            return file.read().rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        return ""
