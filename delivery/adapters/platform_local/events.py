"""What happened to a workload, as lines of JSON the agent appends and people read. Neighbours: replica, adapter."""

from __future__ import annotations

import contextlib
import json
import os
from dataclasses import asdict
from pathlib import Path

from delivery.processes.logfiles import cap_log, tail_lines
from delivery.workloads import Happening

LIMIT_BYTES = 200_000


def note_event(path: Path, event: Happening) -> None:
    """Append an event; a full disk costs the line, not the replica."""
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        cap_log(path, LIMIT_BYTES)
        line = json.dumps(asdict(event)).encode() + b"\n"
        descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            os.write(descriptor, line)
        finally:
            os.close(descriptor)


def read_events(path: Path, limit: int) -> list[Happening]:
    """Return the newest events, newest last; a line cut short by a crash is left out."""
    found = []
    for line in tail_lines(path, limit):
        with contextlib.suppress(ValueError, TypeError):
            found.append(Happening(**json.loads(line)))
    return found


def forget_events(path: Path) -> None:
    """Delete them."""
    for each in (path, path.with_name(path.name + ".1")):
        each.unlink(missing_ok=True)
