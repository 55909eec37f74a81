"""Small Git repositories for tests, made with the real git."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

IDENTITY = {
    "GIT_AUTHOR_NAME": "Alice",
    "GIT_AUTHOR_EMAIL": "alice@example.org",
    "GIT_COMMITTER_NAME": "Alice",
    "GIT_COMMITTER_EMAIL": "alice@example.org",
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_NOSYSTEM": "1",
}


def git(where: Path, *words: str) -> str:
    """Run git in the directory; return what it printed."""
    done = subprocess.run(
        ["git", "-C", str(where), *words], capture_output=True, text=True, check=True, env={**os.environ, **IDENTITY}
    )
    return done.stdout.strip()


class Workspace:
    """A checkout that commits whole sets of files and pushes to `remote`."""

    def __init__(self, path: Path, remote: str) -> None:
        path.mkdir(parents=True)
        self.path = path
        git(path, "init", "--quiet", "--initial-branch=main")
        git(path, "remote", "add", "origin", remote)

    def commit(self, message: str = "change", **files: str) -> str:
        """Write the files (in names, "__" is "/" and "_dot_" is "."), commit, and return the commit."""
        for name, text in files.items():
            place = self.path / name.replace("__", "/").replace("_dot_", ".")
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(text)
        git(self.path, "add", "--all")
        git(self.path, "commit", "--quiet", "--allow-empty", "-m", message)
        return git(self.path, "rev-parse", "HEAD")

    def branch(self, name: str) -> None:
        """Start a branch here."""
        git(self.path, "checkout", "--quiet", "-B", name)

    def push(self, *refspec: str) -> None:
        """Push the refspecs."""
        git(self.path, "push", "--quiet", "--force", "origin", *refspec)
