"""Runs Git for the forges: short, non-interactive, bounded in time; secrets go by environment, never by argv."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

from delivery.errors import Transient

TIMEOUT = 60.0  # seconds; a fetch that takes longer is tried again later rather than holding a worker


def git(
    *arguments: str, where: Path | None = None, env: Mapping[str, str] | None = None, timeout: float = TIMEOUT
) -> str:
    """Return Git's output. Raises Transient with the last line of what Git said."""
    command = ["git", *(["-C", str(where)] if where else []), *arguments]
    quiet = {**os.environ, "GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C", **(env or {})}
    try:
        done = subprocess.run(command, capture_output=True, timeout=timeout, env=quiet, check=False)
    except subprocess.TimeoutExpired as error:
        raise Transient(f"git {arguments[0]} took longer than {timeout:.0f} s", retry_after=10) from error
    if done.returncode != 0:
        said = done.stderr.decode("utf-8", "replace").strip().splitlines()
        raise Transient(f"git {arguments[0]} failed: {said[-1] if said else done.returncode}", retry_after=5)
    return done.stdout.decode("utf-8", "surrogateescape")


def branches(repository: Path) -> dict[str, str]:
    """Return branch -> commit of a local repository."""
    listed = git("for-each-ref", "--format=%(objectname) %(refname:lstrip=2)", "refs/heads/", where=repository)
    pairs = (line.split(" ", 1) for line in listed.splitlines())
    return {name: revision for revision, name in pairs}


def has_commit(repository: Path, revision: str) -> bool:
    """Tell whether a local repository holds the commit."""
    try:
        git("cat-file", "-e", f"{revision}^{{commit}}", where=repository)
    except Transient:
        return False
    return True
