"""The embedded Git host: bare repositories in the state directory. Port: `delivery.ports.forge`.

Statuses live in our own database alone, where the API and the page read them.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

from delivery.adapters.git_refs import branches, git
from delivery.errors import NotFound
from delivery.ports.forge import CommitState
from delivery.projects import Project


class EmbeddedForge:
    """`root` holds `<project>.git`."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def prepare(self, project: Project) -> None:
        """Make the bare repository if there is none; a half-made one is completed."""
        path = self._path(project)
        git("init", "--bare", "--quiet", f"--initial-branch={project.default_branch}", str(path))
        git("config", "http.receivepack", "true", where=path)
        git("config", "receive.denyDeleteCurrent", "warn", where=path)

    def forget(self, project: Project) -> None:
        """Delete the repository."""
        shutil.rmtree(self._path(project), ignore_errors=True)

    def repository(self, project: Project, revision: str = "") -> Path:
        """Return the bare repository."""
        path = self._path(project)
        if not (path / "HEAD").exists():
            raise NotFound(f"project {project.name} has no repository", remedy="register the project again")
        return path

    def heads(self, project: Project) -> Mapping[str, str]:
        """Return branch -> commit."""
        return branches(self.repository(project))

    def set_status(
        self, project: Project, revision: str, ref: str, name: str, state: CommitState, description: str, url: str
    ) -> None:
        """Nothing to tell: the database is where this host's statuses are read."""

    def _path(self, project: Project) -> Path:
        return self._root / f"{project.name}.git"
