"""Forge port: the Git host. Real sides: forge_embedded (own bare repositories), forge_gitlab (python-gitlab).

Contract: called from workers only, never from request handlers. An unreachable host raises `Transient`:
it delays feedback and what was pushed meanwhile, nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Protocol

from delivery.projects import Project


class CommitState(StrEnum):
    """State of a commit status, in the hosts' words."""

    PENDING = "pending"
    RUNNING = "running"
    SUCCESS = "success"
    FAILED = "failed"
    CANCELED = "canceled"


class Forge(Protocol):
    """See the module's contract."""

    def prepare(self, project: Project) -> None:
        """Make the local repository if there is none (the embedded host's own, or an empty mirror)."""
        ...

    def forget(self, project: Project) -> None:
        """Delete the local repository."""
        ...

    def repository(self, project: Project, revision: str = "") -> Path:
        """Return the local bare repository, up to date with the host (fetches when it is remote).

        With a `revision` that is there already nothing is fetched: what was pushed once goes its way without the host.
        """
        ...

    def heads(self, project: Project) -> Mapping[str, str]:
        """Return branch name -> commit as the host states it now."""
        ...

    def set_status(
        self, project: Project, revision: str, ref: str, name: str, state: CommitState, description: str, url: str
    ) -> None:
        """Report to the commit. Setting the same state again is harmless."""
        ...
