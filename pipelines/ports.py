"""Ports: what a job asks of the world, as Protocols with their contracts. Pure; sides: git, builders, artifacts."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Protocol

from pipelines.plans import Tree, TreeEntry
from pipelines.specs.model import ImageSpec, ServiceSpec

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


class RedBuild(Exception):
    """What the user wrote does not build; the message is one sentence for people. The runner makes a value of it."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class Stopped(Exception):
    """The job was canceled while something was under way."""


@dataclass(frozen=True)
class DockerfileRequest:
    """Build `image.dockerfile` of `context` for `platform`; `service` is for messages."""

    service: str
    context: Path
    image: ImageSpec
    platform: str


class DockerfileBuilder(Protocol):
    """Builds a Dockerfile somewhere else than in the worker. `kind` is part of the content key.

    Contract: whatever the build does, it meets no login of a registry and no process of the worker. When `build`
    returns or raises, nothing of the build runs any more. Raises RedBuild, Stopped, Transient.
    """

    @property
    def kind(self) -> str:
        """What makes equal Dockerfiles equal images: docker or buildkit."""
        ...

    def build(self, request: DockerfileRequest, workspace: Path, log: Log, keep_going: KeepGoing) -> Path:
        """Return an image file (OCI layout or Docker's archive) below `workspace`."""
        ...


@dataclass(frozen=True)
class PackageRequest:
    """Make the image of a service from its built tree; `source` is None where the image is given."""

    project: str
    service: ServiceSpec
    image: ImageSpec
    source: Path | None
    revision: str


class Packaging(Protocol):
    """Turns built trees into images that the platform can pull.

    Contract: the digest returned is that of a complete image, which a registry has or which is kept as a file; a failed
    or canceled attempt leaves nothing that has a name. Credentials are used here, after the user's commands have ended.
    """

    def image(self, service: ServiceSpec, tree: Tree) -> ImageSpec:
        """Return where the service's image comes from: what its spec says, else by what is in its directory."""
        ...

    def identity(self, project: str, service: ServiceSpec, tree: Tree) -> str:
        """Return all that decides the image beside files and commands; it is part of the content key."""
        ...

    def package(self, request: PackageRequest, workspace: Path, log: Log, keep_going: KeepGoing) -> str:
        """Return the image's digest. Raises RedBuild, Stopped, Rejected, Transient."""
        ...
