"""Log files that programs append to: kept below a size, read from the end.

Neighbours: process (opens them with O_APPEND, which is what makes truncating under the writer safe).
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

LOG_LIMIT_BYTES = 10_000_000
TAIL_BYTES = 256_000


def cap_log(path: Path, limit: int = LOG_LIMIT_BYTES) -> bool:
    """Copy a log larger than `limit` bytes to `<path>.1` (replacing an older one) and empty it; True when done.

    Lines written between the copy and the emptying are lost: the price of not knowing the writer.
    """
    try:
        if path.stat().st_size <= limit:
            return False
        shutil.copyfile(path, path.with_name(path.name + ".1"))
        os.truncate(path, 0)
    except FileNotFoundError:
        return False
    return True


def tail_lines(path: Path, count: int) -> list[str]:
    """Return the last `count` lines, oldest first, from the file and, if it is short, the one before it."""
    lines = _end_of(path)
    if len(lines) < count:
        lines = _end_of(path.with_name(path.name + ".1")) + lines
    return lines[-count:] if count > 0 else []


def _end_of(path: Path) -> list[str]:
    try:
        with open(path, "rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - TAIL_BYTES))
            return file.read().decode("utf-8", errors="replace").splitlines()
    except FileNotFoundError:
        return []
