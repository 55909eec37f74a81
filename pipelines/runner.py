"""Runner: one job, from a revision to an artifact. Neighbours: plans (keys), builders (commands), artifacts (store).

Export what the service watches -> build command -> take the tree as artifact -> test command -> keep the artifact.
The test runs after the tree was taken: what it leaves behind is never shipped. A red build is a value.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

from pipelines.artifacts import ArtifactStore
from pipelines.builders.process import ProcessBuilder
from pipelines.errors import Broken, Rejected
from pipelines.git import Git
from pipelines.logs import JobLog
from pipelines.plans import content_key, watched_files
from pipelines.ports import Builder, Ending, KeepGoing, Log, Outcome, Source
from pipelines.runs import JobState
from pipelines.specs import SPEC_FILE, CommandSpec, ServiceSpec

WAIT = 0.2  # seconds between looks at a lock another worker holds


@dataclass(frozen=True)
class JobRequest:
    """Build and test one service of `revision`. `key` is its content key as planned; `log` the file to append to."""

    repository: Path
    revision: str
    service: ServiceSpec
    key: str
    log: Path


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
) -> JobResult:
    """Run the job; see JobResult. `keep_going` is asked at least once a second: extend the lease in it.

    Raises NotFound when the revision is not in the repository, Transient when Git is too slow, Broken when the key is
    not that of the revision.
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
                    return _Job(request, store, log, keep_going, builder or ProcessBuilder(), source).run(started)
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


class _Job:
    """One attempt, holding the key's lock."""

    def __init__(
        self,
        request: JobRequest,
        store: ArtifactStore,
        log: Log,
        keep_going: KeepGoing,
        builder: Builder,
        source: Source | None,
    ) -> None:
        self._request = request
        self._service = request.service
        self._store = store
        self._log = log
        self._keep_going = keep_going
        self._builder = builder
        self._source = source or Git(request.repository)

    def run(self, started: float) -> JobResult:
        """Do all steps; a failed one ends the job with its message in the log, too."""
        try:
            with self._store.workspace() as workspace:
                artifact = self._make(workspace)
        except _Failed as failed:
            self._log.note(failed.message)
            return JobResult(failed.state, message=failed.message, seconds=time.monotonic() - started)
        seconds = time.monotonic() - started
        self._log.note(f"artifact {artifact} after {seconds:.1f} s")
        return JobResult(JobState.SUCCEEDED, artifact, f"built in {seconds:.1f} s", seconds=seconds)

    def _make(self, workspace: Path) -> str:
        directory = self._export(workspace / "source")
        self._command("build", self._service.build, directory, workspace)
        try:
            staged = self._store.stage(directory, workspace)
        except Rejected as refused:
            raise _Failed(JobState.FAILED, f"{refused.message}. {refused.remedy}") from None
        except OSError as error:
            raise _Failed(JobState.FAILED, f"the built tree cannot be read: {error}") from None
        self._command("test", self._service.test, directory, workspace)
        digest = self._store.commit(staged)
        self._store.remember(self._request.key, digest)
        return digest

    def _export(self, place: Path) -> Path:
        """Write the watched files as they lie in the repository; return the service's directory in there."""
        tree = self._source.tree(self._request.revision)
        if content_key(self._service, tree) != self._request.key:
            raise Broken(f"the key of {self._service.name} is not that of revision {self._request.revision}")
        files = watched_files(self._service, tree)
        self._log.note(f"{self._service.name} at {self._request.revision[:12]}: {len(files)} files")
        self._source.export(files.values(), place)
        directory = place / self._service.path
        directory.mkdir(parents=True, exist_ok=True)
        return directory

    def _command(self, step: str, spec: CommandSpec | None, directory: Path, workspace: Path) -> None:
        """Run the build or test command, if there is one."""
        if spec is None:
            return
        self._log.note(f"{step}: {spec.command}")
        outcome = self._builder.execute(
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
