"""The few errors of pipelines; each answers "what do I do now?".

    PipelineError
    ├── Rejected         the caller's fault: names field, value and remedy
    │   ├── NotFound     no such commit, file or artifact
    │   └── InvalidSpec  `colorlane.yaml` cannot be used: every problem with file, line and field
    ├── Transient        the world's fault for now: try again after `retry_after` seconds
    └── Broken           a bug: an invariant does not hold

A build that fails is a value (`runner.JobResult`), not an error.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


class PipelineError(Exception):
    """Root of all errors this package raises on purpose."""


class Rejected(PipelineError):
    """What was asked cannot be done as asked; `remedy` says what to change."""

    def __init__(self, message: str, *, field: str = "", value: object = None, remedy: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.field = field
        self.value = value
        self.remedy = remedy


class NotFound(Rejected):
    """There is no such commit, file or artifact."""


@dataclass(frozen=True)
class Problem:
    """One thing wrong in a file of the user's repository. `line` counts from 1; 0 means the file as a whole."""

    file: str
    line: int
    field: str
    message: str
    value: str = ""
    remedy: str = ""

    def __str__(self) -> str:
        """Return `file:line: field: message. Remedy`, as compilers do."""
        place = f"{self.file}:{self.line}" if self.line else self.file
        text = ": ".join(part for part in (place, self.field, self.message) if part)
        return f"{text}. {self.remedy}" if self.remedy else text


class InvalidSpec(Rejected):
    """`colorlane.yaml` cannot be used; `problems` lists all that is wrong, in the order of the file."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        first = self.problems[0] if self.problems else Problem("colorlane.yaml", 0, "", "is invalid")
        super().__init__(
            "\n".join(str(problem) for problem in self.problems),
            field=first.field,
            value=first.value,
            remedy=first.remedy,
        )


class Transient(PipelineError):
    """Another part is away or busy; the same call may succeed after `retry_after` seconds."""

    def __init__(self, message: str, *, retry_after: float = 1.0) -> None:
        super().__init__(message)
        self.message = message
        self.retry_after = retry_after


class Broken(PipelineError):
    """An invariant does not hold: a bug in Colorlane."""
