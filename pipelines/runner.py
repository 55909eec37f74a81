"""Runner: one job, from a revision to an artifact. Neighbours: plans (keys), builders (commands), artifacts (store).

Export what the service watches -> build command -> take the tree -> test command -> keep the tree, or make an image
of it (`Packaging`), as artifact. The test runs after the tree was taken: what it leaves behind is never shipped. A red
build is a value.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

from pipelines.artifacts import ArtifactStore, StagedTree
from pipelines.builders.process import ProcessBuilder
from pipelines.errors import Broken, Rejected, Transient
from pipelines.git import Git
from pipelines.logs import JobLog
from pipelines.plans import BUILDER, Tree, content_key, watched_files
from pipelines.plans import Builder as MadeBy
from pipelines.ports import (
    Builder,
    Ending,
    KeepGoing,
    Log,
    Outcome,
    PackageRequest,
    Packaging,
    RedBuild,
    Source,
    Stopped,
)
from pipelines.runs import JobState
from pipelines.specs import SPEC_FILE, CommandSpec, ImageSpec, ServiceSpec

WAIT = 0.2  # seconds between looks at a lock another worker holds


@dataclass(frozen=True)
class JobRequest:
    """Build and test one service of `revision`. `key` is its content key as planned; `log` the file to append to.

    `project` is part of an image's name.
    """

    repository: Path
    revision: str
    service: ServiceSpec
    key: str
    log: Path
    project: str = ""


@dataclass(frozen=True)
class JobResult:
    """`artifact` is the digest when SUCCEEDED; `message` one sentence for people, with the remedy when it FAILED.

    `reused`: equal content had been built before, by this or another worker; nothing was run.
    """

    state: JobState
    artifact: str = ""
    message: str = ""
    reused: bool = False
    seconds: float = 0.0


def run_job(
    request: JobRequest,
    store: ArtifactStore,
    *,
    keep_going: KeepGoing = lambda: True,
    builder: Builder | None = None,
    source: Source | None = None,
    packaging: Packaging | None = None,
) -> JobResult:
    """Run the job; see JobResult. `keep_going` is asked at least once a second: extend the lease in it.

    With `packaging` the artifact is an image, else a tree.

    Raises NotFound when the revision is not in the repository, Transient when Git, a registry or a builder is away or
    too slow, Broken when the key is not that of the revision.
    """
    started = time.monotonic()
    with JobLog(request.log) as log:
        waiting = False
        while keep_going():
            with store.building(request.key) as mine:
                if known := store.find_artifact(request.key):
                    store.touch(known)
                    log.note(f"equal content was built before: artifact {known}")
                    seconds = time.monotonic() - started
                    return JobResult(JobState.SUCCEEDED, known, "equal content was built before", True, seconds)
                if mine:
                    parts = _Parts(builder or ProcessBuilder(), source or Git(request.repository), packaging)
                    return _Job(request, store, log, keep_going, parts).run(started)
            if not waiting:
                waiting = True
                log.note(f"another worker builds {request.service.name} from equal content: waiting for it")
            time.sleep(WAIT)
        log.note("canceled")
        return JobResult(JobState.CANCELED, message="canceled before it began")


class _Failed(Exception):
    """The job's end, as a result."""

    def __init__(self, state: JobState, message: str) -> None:
        super().__init__(message)
        self.state, self.message = state, message


@dataclass(frozen=True)
class _Parts:
    builder: Builder
    source: Source
    packaging: Packaging | None


class _Job:
    """One attempt, holding the key's lock."""

    def __init__(
        self, request: JobRequest, store: ArtifactStore, log: Log, keep_going: KeepGoing, parts: _Parts
    ) -> None:
        self._request = request
        self._service = request.service
        self._store = store
        self._log = log
        self._keep_going = keep_going
        self._parts = parts

    def run(self, started: float) -> JobResult:
        """Do all steps; a failed one ends the job with its message in the log, too."""
        try:
            with self._store.workspace() as workspace:
                artifact = self._make(workspace)
        except Transient as error:
            self._log.note(f"{error.message}; the job is tried again")
            raise
        except _Failed as failed:
            self._log.note(failed.message)
            return JobResult(failed.state, message=failed.message, seconds=time.monotonic() - started)
        seconds = time.monotonic() - started
        self._log.note(f"artifact {artifact} after {seconds:.1f} s")
        return JobResult(JobState.SUCCEEDED, artifact, f"built in {seconds:.1f} s", seconds=seconds)

    def _make(self, workspace: Path) -> str:
        tree = self._parts.source.tree(self._request.revision)
        if content_key(self._service, tree, self._made_by()) != self._request.key:
            raise Broken(f"the key of {self._service.name} is not that of revision {self._request.revision}")
        packaging = self._parts.packaging
        image = packaging.image(self._service, tree) if packaging else None
        staged = None if image and image.reference else self._built(tree, workspace)
        if packaging and image:
            digest = self._package(packaging, image, staged.path if staged else None, workspace)
        else:
            assert staged is not None  # noqa: S101 - only images may come without a tree
            digest = self._store.commit(staged)
        self._store.remember(self._request.key, digest)
        return digest

    def _made_by(self) -> MadeBy:
        packaging, project = self._parts.packaging, self._request.project
        if packaging is None:
            return BUILDER
        return lambda service, tree: packaging.identity(project, service, tree)

    def _package(self, packaging: Packaging, image: ImageSpec, source: Path | None, workspace: Path) -> str:
        request = PackageRequest(self._request.project, self._service, image, source, self._request.revision)
        try:
            return packaging.package(request, workspace, self._log, self._keep_going)
        except Stopped:
            raise _Failed(JobState.CANCELED, f"the image of {self._service.name} was canceled") from None
        except RedBuild as red:
            raise _Failed(JobState.FAILED, red.message) from None
        except Rejected as refused:
            raise _Failed(JobState.FAILED, ". ".join(filter(None, (refused.message, refused.remedy)))) from None

    def _built(self, tree: Tree, workspace: Path) -> StagedTree:
        """Run build and test; return the tree as it was between them."""
        directory = self._export(tree, workspace / "source")
        self._command("build", self._service.build, directory, workspace)
        try:
            staged = self._store.stage(directory, workspace)
        except Rejected as refused:
            raise _Failed(JobState.FAILED, f"{refused.message}. {refused.remedy}") from None
        except OSError as error:
            raise _Failed(JobState.FAILED, f"the built tree cannot be read: {error}") from None
        self._command("test", self._service.test, directory, workspace)
        return staged

    def _export(self, tree: Tree, place: Path) -> Path:
        """Write the watched files as they lie in the repository; return the service's directory in there."""
        files = watched_files(self._service, tree)
        self._log.note(f"{self._service.name} at {self._request.revision[:12]}: {len(files)} files")
        self._parts.source.export(files.values(), place)
        directory = place / self._service.path
        directory.mkdir(parents=True, exist_ok=True)
        return directory

    def _command(self, step: str, spec: CommandSpec | None, directory: Path, workspace: Path) -> None:
        """Run the build or test command, if there is one."""
        if spec is None:
            return
        self._log.note(f"{step}: {spec.command}")
        outcome = self._parts.builder.execute(
            spec.command,
            cwd=directory,
            home=workspace / "home",
            timeout=spec.timeout,
            log=self._log,
            keep_going=self._keep_going,
        )
        self._judge(step, spec, outcome)

    def _judge(self, step: str, spec: CommandSpec, outcome: Outcome) -> None:
        field = f"services.{self._service.name}.{step}"
        what = f"the {step} of {self._service.name}"
        if outcome.ending is Ending.CANCELED:
            raise _Failed(JobState.CANCELED, f"{what} was canceled after {outcome.seconds:.0f} s")
        if outcome.ending is Ending.TIMED_OUT:
            remedy = f"make it faster, or raise {field}.timeout in {SPEC_FILE}"
            raise _Failed(JobState.FAILED, f"{what} was stopped at its time limit of {spec.timeout:g} s; {remedy}")
        if outcome.status:
            last = self._log.last_line()
            said = f"; its last words: {last}" if last else ""
            raise _Failed(JobState.FAILED, f"{what} failed with {_status(outcome.status)}{said}")


def _status(status: int) -> str:
    if status == 127:
        return "status 127 (there is no such program)"
    if status == 128 + 9:
        return "status 137 (killed, perhaps for want of memory)"
    return f"status {status}" if status <= 128 else f"status {status} (signal {status - 128})"
