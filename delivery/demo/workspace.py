"""Workspace: the developer's working copy of the sample, driven by plain git as a person would. Neighbours: story."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

from delivery.errors import Broken, Rejected

_AUTHOR = {
    "GIT_AUTHOR_NAME": "Alice Example",
    "GIT_AUTHOR_EMAIL": "alice@example.com",
    "GIT_COMMITTER_NAME": "Alice Example",
    "GIT_COMMITTER_EMAIL": "alice@example.com",
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_CONFIG_NOSYSTEM": "1",
}


def sample_directory() -> Path:
    """Return the bookshop sample: inside the installed wheel, or in the source tree it was installed from."""
    for candidate in (Path(__file__).parent / "bookshop", Path(__file__).parents[2] / "samples" / "bookshop"):
        if (candidate / "colorlane.yaml").is_file():
            return candidate
    raise Broken("the bookshop sample is not part of this installation")


class Workspace:
    """A clone with `origin` at the embedded Git host."""

    def __init__(self, directory: Path, remote: str) -> None:
        self.directory = directory
        shutil.copytree(sample_directory(), directory, ignore=shutil.ignore_patterns("node_modules", "__pycache__"))
        self.git("init", "-q", "-b", "main")
        self.git("remote", "add", "origin", remote)

    def git(self, *words: str) -> str:
        """Run git here; raises Rejected with git's own words."""
        environment = os.environ | _AUTHOR | {"HOME": str(self.directory.parent)}
        done = subprocess.run(
            ["git", *words],
            cwd=self.directory,
            env=environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        if done.returncode:
            raise Rejected(f"git {' '.join(words)} failed: {done.stderr.strip()}", field="git", value=" ".join(words))
        return done.stdout.strip()

    def branch(self, name: str, start: str = "main") -> None:
        """Create the branch and switch to it."""
        self.git("switch", "-q", "-c", name, start)

    def switch(self, name: str) -> None:
        """Switch to an existing branch."""
        self.git("switch", "-q", name)

    def behave(self, service: str, version: str, **behaviour: Any) -> None:
        """Edit the service: its version text, and how it behaves (error_rate, delay_ms, text)."""
        home = self.directory / "services" / service
        (home / "version.txt").write_text(version + "\n")
        (home / "behaviour.json").write_text(
            json.dumps({"error_rate": 0.0, "delay_ms": 0, "text": version} | behaviour) + "\n"
        )

    def push(self, message: str, branch: str) -> str:
        """Commit all and push; return the commit."""
        self.git("add", "-A")
        self.git("commit", "-q", "-m", message)
        self.git("push", "-q", "origin", f"{branch}:{branch}")
        return self.git("rev-parse", "HEAD")

    def delete_remote(self, branch: str) -> None:
        """Delete the branch at the host."""
        self.git("push", "-q", "origin", "--delete", branch)
