"""Runs: executions of pipelines with their jobs and logs; cancel and retry. Neighbours: logs, flows.operate_run."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path, Query
from fastapi.responses import StreamingResponse
from starlette.concurrency import run_in_threadpool

from delivery.api.context import Ctx, Here
from delivery.api.logs import run_log
from delivery.api.paging import Page, Wanted, page_of
from delivery.api.shapes import JobShape, ReleaseShape, RunShape, show_job, show_release, show_run
from delivery.errors import NotFound, Rejected
from delivery.flows.operate_run import cancel_run, retry_run
from delivery.flows.world import World
from pipelines.runs import RunState

router = APIRouter(prefix="/runs", tags=["runs"])
releases = APIRouter(prefix="/releases", tags=["runs"])

Id = Annotated[str, Path(max_length=200)]
ProjectQuery = Annotated[str, Query(max_length=63)]
START = 1_000_000_000_000  # bytes; more than any log


@router.get("")
def list_runs(
    world: Here,
    wanted: Wanted,
    project: ProjectQuery = "",
    branch: Annotated[str, Query(max_length=255)] = "",
    revision: Annotated[str, Query(max_length=64)] = "",
    state: RunState | None = None,
) -> Page[RunShape]:
    """List runs, newest first."""
    filters: dict[str, Any] = {"project": project, "branch": branch, "revision": revision, "state": state}
    return page_of(world.store.runs, wanted, show_run, **filters)


@router.get("/{id}")
def show(id: Id, world: Here) -> RunShape:
    """Show one run with its jobs."""
    return show_run(world.store.runs.get(id), tuple(world.store.jobs.find(run=id)))


@router.get("/{id}/jobs")
def jobs(id: Id, world: Here, wanted: Wanted) -> Page[JobShape]:
    """List the run's jobs: the services it builds."""
    world.store.runs.get(id)
    return page_of(world.store.jobs, wanted, show_job, newest_first=False, run=id)


@router.get("/{id}/logs", response_class=StreamingResponse)
async def logs(
    id: Id,
    ctx: Ctx,
    service: Annotated[str, Query(max_length=63, description="One service only, as it was written")] = "",
    start: Annotated[
        int, Query(alias="from", ge=-START, le=START, description="Byte offset; negative: from the end")
    ] = 0,
    follow: Annotated[bool, Query(description="Go on until the run has ended")] = False,
) -> StreamingResponse:
    """Stream the run's output as plain text; without `service`, of all jobs, each line with its service before it."""
    if start > 0 and not service:
        raise Rejected("an offset belongs to one log", field="from", value=start, remedy="name the service, too")
    await run_in_threadpool(_check, ctx.world, id, service)
    ctx.seats.check()
    chunks = ctx.seats.seated(run_log(ctx.world, id, service, start, follow, ctx.options.poll))
    headers = {"cache-control": "no-store", "x-accel-buffering": "no"}
    return StreamingResponse(chunks, media_type="text/plain; charset=utf-8", headers=headers)


@router.post("/{id}/cancel", status_code=202)
def cancel(id: Id, world: Here, by: Annotated[str, Query(max_length=200)] = "") -> RunShape:
    """Stop a run that has not ended. 409 when it has."""
    return show_run(cancel_run(world, id, by))


@router.post("/{id}/retry", status_code=202)
def retry(id: Id, world: Here, by: Annotated[str, Query(max_length=200)] = "") -> RunShape:
    """Run the same commit again, as a new run, which is returned. 409 while this one is under way."""
    return show_run(retry_run(world, id, by))


@releases.get("")
def list_releases(
    world: Here,
    wanted: Wanted,
    project: ProjectQuery = "",
    service: Annotated[str, Query(max_length=63)] = "",
    version: Annotated[str, Query(max_length=64)] = "",
) -> Page[ReleaseShape]:
    """List releases, newest first."""
    filters: dict[str, Any] = {"project": project, "service": service, "version": version}
    return page_of(world.store.releases, wanted, show_release, **filters)


def _check(world: World, id: str, service: str) -> None:
    """Raise NotFound before a stream starts, while an error can still be told."""
    run = world.store.runs.get(id)
    if service and service not in run.reasons and not world.store.jobs.find(run=id, service=service, limit=1):
        known = ", ".join(sorted(run.reasons)) or "none yet"
        raise NotFound(
            f"run {id} has no job for {service!r}", field="service", value=service, remedy=f"it has: {known}"
        )
