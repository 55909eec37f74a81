"""Owners: names of processes in leases, and which of them are dead. Neighbours: bootstrap, tasks (adopts at start).

A process number means something inside one PID namespace only: containers of one pod share a host name, and each has
its own number 1. So by default a name says the namespace too, and a restarted container, which has a new one, waits
for the end of its predecessor's leases. Where the place is named (COLORLANE_OWNER: one process at a time has that name,
such as one container of one pod), the predecessor is known to be dead, and what it held is taken over at once.
"""

from __future__ import annotations

import os
import platform


def this_process(place: str = "") -> str:
    """Return this process's name in leases; the start time tells it from a later process with the same pid.

    `place` is a name that no two living processes with different PID namespaces have.
    """
    return f"{_here(place)}/{os.getpid()}/{_started(os.getpid())}"


def is_dead(owner: str, place: str = "") -> bool:
    """Tell whether `owner` was a process of this place that is no more; other places are never judged."""
    node, _, rest = owner.partition("/")
    pid, _, started = rest.partition("/")
    return node == _here(place) and pid.isdigit() and _started(int(pid)) != started


def _here(place: str) -> str:
    return place.replace("/", ".") if place else f"{platform.node()}.{_pid_namespace()}"


def _pid_namespace() -> str:
    """Return the number of this process's PID namespace (pid_namespaces(7)), or "" where there is none."""
    try:
        return os.readlink("/proc/self/ns/pid").strip("pid:[]")
    except OSError:
        return ""


def _started(pid: int) -> str:
    """Return the process's start in clock ticks since boot (proc(5), field 22), or "" when there is none."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
            return file.read().rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        return ""
