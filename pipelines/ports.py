"""Ports: what a job asks of the world, as Protocols with their contracts. Pure; sides: git, builders, artifacts."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Protocol

from pipelines.plans import TreeEntry

KeepGoing = Callable[[], bool]
"""Asked at least twice a second while a job runs; False cancels it. A worker extends its lease in here."""


class Source(Protocol):
    """Where revisions are read. Equal revisions give equal answers. Raises NotFound for an unknown one."""

    def tree(self, revision: str) -> Mapping[str, TreeEntry]:
        """Return path -> entry of every file."""
        ...

    def export(self, entries: Iterable[TreeEntry], destination: Path) -> None:
        """Write the entries' files below `destination`."""
        ...


class Log(Protocol):
    """Where a job's output goes, as it comes."""

    def write(self, chunk: bytes) -> None:
        """Take output of the command."""
        ...

    def note(self, text: str) -> None:
        """Take a line of Colorlane's own."""
        ...

    def last_line(self) -> str:
        """Return the last line that is not blank, for messages; never longer than 200 characters."""
        ...


class Ending(StrEnum):
    """How a command ended."""

    EXITED = "exited"
    TIMED_OUT = "timed out"
    CANCELED = "canceled"


@dataclass(frozen=True)
class Outcome:
    """`status` is the exit status (128 + n: killed by signal n); it means something only when EXITED."""

    ending: Ending
    status: int
    seconds: float


class Builder(Protocol):
    """Runs one shell command of a job.

    Contract: when it returns, no process the command started is left, however it ended. Nor is one left soon after the
    caller's own process has died. The command sees none of the caller's environment but what a build needs.
    """

    def execute(
        self, command: str, *, cwd: Path, home: Path, timeout: float, log: Log, keep_going: KeepGoing
    ) -> Outcome:
        """Run `command` by `sh -c` in `cwd`, at most `timeout` seconds."""
        ...
