"""Trail: the audit trail as pages, and live as server-sent events. Neighbours: streams, ports.store."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Header, Query
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, Field

from delivery.api.context import Ctx, Here
from delivery.api.shapes import EventShape, show_event
from delivery.api.streams import stream, trail

router = APIRouter(tags=["audit"])

ProjectQuery = Annotated[str, Query(max_length=63)]
SubjectQuery = Annotated[str, Query(max_length=200, description="E.g. rollout/<id>, run/<id>")]
Cursor = Annotated[int, Query(ge=0, le=2**62, description="Only events with a greater id")]


class TrailPage(BaseModel):
    """Events; `after` is the cursor for the next page in order (with `newest=false`)."""

    items: list[EventShape]
    after: int = Field(description="Greatest id on this page, or the cursor given")


@router.get("/audit")
def audit(
    world: Here,
    project: ProjectQuery = "",
    subject: SubjectQuery = "",
    after: Cursor = 0,
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
    newest: Annotated[bool, Query(description="Newest first instead of oldest first")] = True,
) -> TrailPage:
    """Read who did what, when: of all, of a project, or of one subject."""
    rows = world.store.events(project=project, subject=subject, after=after, limit=limit, newest_first=newest)
    return TrailPage(items=[show_event(row) for row in rows], after=max([after, *(row.id for row in rows)]))


@router.get("/events", response_class=StreamingResponse)
async def events(
    ctx: Ctx,
    project: ProjectQuery = "",
    subject: SubjectQuery = "",
    after: Annotated[int | None, Query(ge=0, le=2**62)] = None,
    last_event_id: Annotated[int | None, Header(ge=0, le=2**62)] = None,
) -> StreamingResponse:
    """Follow the trail as server-sent events; resumes after `Last-Event-ID` (or `after`), else from now on."""
    start = last_event_id if last_event_id is not None else after
    ctx.seats.check()
    return stream(ctx.seats.seated(trail(ctx.world, project, subject, start, ctx.options.poll)))
