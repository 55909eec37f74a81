"""Plan a run: reads colorlane.yaml at the revision and makes jobs for what has no artifact yet."""

from __future__ import annotations

from dataclasses import replace

from delivery.errors import Conflict
from delivery.flows.report_run import end_run, report_run
from delivery.flows.world import World
from delivery.ports.builds import Plan, PlannedService
from delivery.projects import Project
from pipelines.runs import Job, JobState, Run, RunState


def plan_run(world: World, run: Run) -> bool:
    """Move a queued run to BUILDING. Raises Rejected for what the user has to mend, Transient, Conflict."""
    project = world.store.projects.get(run.project)
    plan = _plan(world, project, run)
    if plan.target is None:
        end_run(world, run.id, RunState.SUCCEEDED, f"no environment takes branch {run.branch}: nothing to do")
        return False
    wanted = _wanted(plan)
    jobs, reasons = [], {service.name: service.reason for service in plan.services}
    for service in wanted:
        if artifact_of(world, run.project, service.key):
            reasons[service.name] = f"{service.reason}; reused"
        else:
            jobs.append(_job(world, run, service))
    now = world.clock.now()
    keys = {service.name: service.key for service in wanted}
    planned = replace(run, state=RunState.BUILDING, reasons=reasons, keys=keys, started_at=now)
    planned = world.store.runs.save(planned)
    text = f"builds {', '.join(job.service for job in jobs)}" if jobs else "builds nothing: all content is known"
    world.tell(run.project, f"run/{run.id}", "run.planned", text, jobs=[job.id for job in jobs])
    report_run(world, planned)
    for job in jobs:
        world.wake("execute_job", job.id)
    if jobs:
        _render_ahead(world, project, planned)
    return True


def _render_ahead(world: World, project: Project, run: Run) -> None:
    """Render while the builds run: bad manifests end the run early, and good ones are at hand when it deploys."""
    repository = world.forge(project).repository(project, run.revision)
    world.builds.render(repository, run.revision, project.name, dict.fromkeys(run.keys, f"sha256:{'0' * 64}"))


def _plan(world: World, project: Project, run: Run) -> Plan:
    repository = world.forge(project).repository(project, run.revision)
    return world.builds.plan(repository, project.name, run.branch, run.revision, project.default_branch)


def _wanted(plan: Plan) -> tuple[PlannedService, ...]:
    """Return what the target runs: everything in production, the branch's own changes in a preview."""
    if plan.target is not None and plan.target.is_production:
        return plan.services
    return tuple(service for service in plan.services if service.changed)


def artifact_of(world: World, project: str, key: str) -> str:
    """Return the digest some job made of this content, if its files are still there, else ""."""
    for job in world.store.jobs.find(project=project, key=key, state=JobState.SUCCEEDED, newest_first=True, limit=5):
        if world.builds.has(job.artifact):
            return job.artifact
    return ""


def _job(world: World, run: Run, service: PlannedService) -> Job:
    """Make the row; a repeat finds it, and one whose artifact was deleted meanwhile is done again."""
    job = Job(
        id=f"{run.id}.{service.name}",
        run=run.id,
        project=run.project,
        service=service.name,
        key=service.key,
        revision=run.revision,
        log=f"runs/{run.id}/{service.name}.log",
        created_at=world.clock.now(),
    )
    try:
        return world.store.jobs.add(job)
    except Conflict:
        old = world.store.jobs.get(job.id)
        return old if old.state is not JobState.SUCCEEDED else world.store.jobs.save(_again(old))


def _again(job: Job) -> Job:
    return replace(job, state=JobState.QUEUED, artifact="", message="", attempt=0, started_at=None, ended_at=None)
