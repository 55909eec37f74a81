"""Execute a job: one build under a lease that is kept alive while it runs. Neighbours: ports.builds, plan_run.

A worker that is killed stops renewing; another takes the job over, a bounded number of times. Whoever lost the lease
cannot save its result any more, and need not: the same content gives the same artifact.
"""

from __future__ import annotations

from dataclasses import replace

import structlog

from delivery.errors import Conflict, NotFound, Rejected, Transient
from delivery.flows.leases import held
from delivery.flows.plan_run import artifact_of
from delivery.flows.world import World
from delivery.ports.builds import BuildOutcome
from pipelines.runs import RUN_ENDED, Job, JobState

log = structlog.get_logger(__name__)


def execute_job(world: World, id: str) -> None:
    """Build if the job is due and nobody else does; several workers may be asked."""
    job = world.store.jobs.get(id)
    if not _is_due(job, world.clock.now()):
        return
    # Equal content is built by one worker at a time; the other job then finds the artifact.
    with held(world, f"build/{job.project}/{job.key}", world.limits.job_lease) as mine:
        claimed = _claim(world, job) if mine else None
        if claimed is None:
            return
        keeper = _Keeper(world, claimed)
        try:
            outcome = _build(world, claimed, keeper)
        except Transient as error:
            log.warning("job delayed", job=id, reason=error.message)
            # A Git host that is away is no attempt: it may take as long as it likes.
            waiting = replace(keeper.job, state=JobState.QUEUED, attempt=keeper.job.attempt - 1)
            _save(world, replace(waiting, lease_until=0.0, message=error.message))
            return
        _finish(world, keeper.job, outcome)
    for twin in world.store.jobs.find(project=job.project, key=job.key, state=JobState.QUEUED):
        world.wake("execute_job", twin.id)


def _is_due(job: Job, now: float) -> bool:
    return job.state is JobState.QUEUED or (job.state is JobState.RUNNING and job.lease_until <= now)


def _claim(world: World, job: Job) -> Job | None:
    """Take the job by compare-and-set; None when somebody was faster, or when it has been tried often enough."""
    now = world.clock.now()
    job = world.store.jobs.get(job.id)
    if not _is_due(job, now) or _is_built_now(world, job, now):
        return None
    if job.attempt >= world.limits.job_attempts:
        _finish(
            world, job, BuildOutcome(JobState.FAILED, message=f"given up after {job.attempt} attempts: {_last(job)}")
        )
        return None
    taken = replace(
        job,
        state=JobState.RUNNING,
        owner=world.owner,
        lease_until=now + world.limits.job_lease,
        attempt=job.attempt + 1,
        started_at=job.started_at or now,
        message="",
    )
    log.info("job", job=job.id, attempt=taken.attempt)
    return _save(world, taken)


def _is_built_now(world: World, job: Job, now: float) -> bool:
    """Tell whether another job builds the same content: a build may outlive the lease of the content's name."""
    twins = world.store.jobs.find(project=job.project, key=job.key, state=JobState.RUNNING)
    return any(twin.id != job.id and twin.lease_until > now for twin in twins)


def _last(job: Job) -> str:
    return job.message or "its worker died each time"


class _Keeper:
    """Renews the lease when asked whether to go on; says no when the run was ended or the lease was lost."""

    def __init__(self, world: World, job: Job) -> None:
        self.world, self.job = world, job
        self._looked_at = 0.0

    def keep_going(self) -> bool:
        """Return False when the build should stop now."""
        now = self.world.clock.now()
        if now - self._looked_at < 0.5:
            return True
        self._looked_at = now
        if is_unwanted(self.world, self.job):
            return False
        seconds = self.world.limits.job_lease
        if self.job.lease_until - now < seconds * 0.8:
            saved = _save(self.world, replace(self.job, lease_until=now + seconds))
            if saved is None:
                return False
            self.job = saved
        return True


def is_unwanted(world: World, job: Job) -> bool:
    """Tell whether nobody waits for the job any more."""
    try:
        run = world.store.runs.get(job.run)
    except NotFound:
        return True
    return run.cancel_requested or run.state in RUN_ENDED


def _build(world: World, job: Job, keeper: _Keeper) -> BuildOutcome:
    if is_unwanted(world, job):
        return BuildOutcome(JobState.CANCELED, message="the run has ended")
    if known := artifact_of(world, job.project, job.key):
        return BuildOutcome(JobState.SUCCEEDED, known, "reused: the same content was built meanwhile")
    try:
        project = world.store.projects.get(job.project)
        repository = world.forge(project).repository(project, job.revision)
        path = world.logs / job.log
        path.parent.mkdir(parents=True, exist_ok=True)
        return world.builds.build(repository, job.revision, job.service, job.key, path, keeper.keep_going, job.project)
    except Rejected as error:
        return BuildOutcome(JobState.FAILED, message=error.message)


def _finish(world: World, job: Job, outcome: BuildOutcome) -> None:
    now = world.clock.now()
    ended = replace(
        job, state=outcome.state, artifact=outcome.artifact, message=outcome.message, lease_until=0.0, ended_at=now
    )
    if _save(world, ended) is None:
        return
    seconds = now - (job.started_at or now)
    text = f"{job.service} {outcome.state.value} in {seconds:.1f} s" + (
        f": {outcome.message}" if outcome.message else ""
    )
    world.tell(job.project, f"run/{job.run}", f"job.{outcome.state.value}", text, job=job.id, artifact=outcome.artifact)
    log.info("job ended", job=job.id, state=outcome.state.value, seconds=round(seconds, 3))
    world.wake("advance_run", job.run)


def _save(world: World, job: Job) -> Job | None:
    """Save by compare-and-set; None when the job is no longer ours."""
    try:
        return world.store.jobs.save(job)
    except (Conflict, NotFound):
        log.warning("job lost to another worker", job=job.id)
        return None
