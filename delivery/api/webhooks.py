"""Webhooks: what Git hosts send. Proves it, writes it into the ledger, answers; all work comes after.

Neighbours: signatures.

Order matters: who may send is settled over the raw bytes before anything parses them; a plain token even before
the body is read. The answer goes out after one insert, because a host that waits ten seconds switches the hook off.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import structlog
from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, Field
from starlette.concurrency import run_in_threadpool

from delivery.api.bodies import read_capped
from delivery.api.context import Ctx
from delivery.api.security import Forbidden, Unauthorized
from delivery.api.signatures import is_signed, verify_signature, verify_token
from delivery.errors import NotFound, Rejected
from delivery.flows.receive_delivery import receive_delivery
from delivery.flows.world import World
from delivery.projects import Project

log = structlog.get_logger(__name__)

router = APIRouter(prefix="/webhooks", tags=["webhooks"])

HOW_TO_SET = (
    "set one: POST /api/v1/projects with webhook_secret, or `colorlane project add NAME --webhook-secret-file FILE`"
)


class Receipt(BaseModel):
    """What became of a webhook request."""

    delivery: str = Field(description="Id in the ledger")
    state: str
    outcome: str = Field(description="Why it is ignored, or what it led to; empty while it waits")
    duplicate: bool = Field(description="True when this event had been received before")


@router.post("/gitlab", status_code=202)
async def gitlab(request: Request, ctx: Ctx, project: Annotated[str, Query(max_length=63)] = "") -> Receipt:
    """Receive an event of GitLab. `project` names the registered project; without it the body's path does."""
    headers = request.headers
    candidates = await run_in_threadpool(hooked_projects, ctx.world, project)
    trusted = [row for row in candidates if verify_token(row.webhook_secret, headers)]
    if not trusted and not is_signed(headers):
        raise _unproven(headers)
    body = await read_capped(request, ctx.options.webhook_cap)
    if not trusted:
        trusted = [row for row in candidates if verify_signature(row.webhook_secret, headers, body)]
    if not trusted:
        raise _unproven(headers)
    payload = await run_in_threadpool(parse, ctx.world, trusted, body)
    row = choose(trusted, payload)
    return await run_in_threadpool(_receive, ctx.world, row, dict(headers), body)


def hooked_projects(world: World, name: str) -> Sequence[Project]:
    """Return the GitLab projects that may be meant, all with a secret.

    Raises NotFound, Rejected for a project that is not on GitLab, Forbidden when none has a secret.
    """
    if name:
        rows: Sequence[Project] = [world.store.projects.get(name)]
    else:
        rows = [row for row in world.store.projects.find() if row.forge == "gitlab"]
    if rows and rows[0].forge != "gitlab":
        raise Rejected(
            f"project {name} is not on GitLab", field="project", value=name, remedy="push to its Git host instead"
        )
    if not rows:
        raise NotFound("no GitLab project is registered", remedy="colorlane project add NAME --forge gitlab ...")
    hooked = [row for row in rows if row.webhook_secret]
    if not hooked:
        raise Forbidden("no webhook secret is set, and unproven requests are never taken", remedy=HOW_TO_SET)
    return hooked


def parse(world: World, trusted: Sequence[Project], body: bytes) -> Mapping[str, Any]:
    """Return the body as an object; a broken one is written to the trail and raises Rejected."""
    try:
        payload = json.loads(body)
        if not isinstance(payload, dict):
            raise ValueError(f"an object is wanted, got {type(payload).__name__}")
    except (ValueError, RecursionError) as error:
        text = f"a webhook body of {len(body)} bytes is not JSON: {str(error)[:200]}"
        world.tell(trusted[0].name if len(trusted) == 1 else "", "webhook/gitlab", "delivery.refused", text)
        raise Rejected(
            text, field="body", remedy="GitLab sends JSON: is something between it and here changing the body?"
        ) from error
    return payload


def choose(trusted: Sequence[Project], payload: Mapping[str, Any]) -> Project:
    """Return the project the body speaks of, among those whose secret proved it. Raises NotFound."""
    if len(trusted) == 1 and not trusted[0].forge_project:
        return trusted[0]
    said = payload.get("project")
    about = said if isinstance(said, dict) else {}
    names = {str(about.get("path_with_namespace", "")), str(about.get("id", payload.get("project_id", "")))} - {""}
    for row in trusted:
        if row.forge_project in names:
            return row
    raise NotFound(
        f"no registered project is {' or '.join(sorted(names)) or 'named in the body'} on GitLab",
        field="project",
        remedy="register it with forge_project set to its path or id; check ?project= in the hook's URL",
    )


def event_key(headers: Mapping[str, str]) -> str:
    """Return GitLab's stable id of the event, "" when it sends none.

    `webhook-id` first: it is part of what is signed, so who repeats a signed request cannot give it another one.
    Never X-Gitlab-Webhook-UUID: the sender makes a new one for each request, also when it sends the same event again.
    """
    for name in ("webhook-id", "idempotency-key", "x-gitlab-event-uuid"):
        if value := headers.get(name, "").strip():
            return value[:200]
    return ""


def _receive(world: World, project: Project, headers: Mapping[str, str], body: bytes) -> Receipt:
    event = headers.get("x-gitlab-event", "")[:100]
    key = event_key(headers) or f"unnamed:{uuid.uuid4()}"  # cannot be told from a repeat: acted on, which is harmless
    now = world.clock.now()
    row = receive_delivery(world, project.name, "gitlab", key, event, body)
    duplicate = row.received_at < now
    log.info("webhook.received", project=project.name, delivery=row.id, hook=event, duplicate=duplicate)
    return Receipt(delivery=row.id, state=row.state, outcome=row.outcome, duplicate=duplicate)


def _unproven(headers: Mapping[str, str]) -> Unauthorized:
    """Say which proof failed; never which secret or project was near."""
    if is_signed(headers):
        return Unauthorized(
            "the signature does not fit",
            field="webhook-signature",
            remedy="check the signing token (whsec_...) and the sender's clock: 5 minutes are allowed",
        )
    given = "is wrong" if headers.get("x-gitlab-token") else "is missing"
    return Unauthorized(
        f"the secret {given}", field="X-Gitlab-Token", remedy="set the hook's secret to the project's webhook_secret"
    )
