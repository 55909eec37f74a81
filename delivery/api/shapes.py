"""Shapes: how nouns look from outside, as pydantic models so that /docs tells them. No secret has a place in them."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from delivery.codec import encode
from delivery.deliveries import Delivery
from delivery.environments import Environment
from delivery.ports.store import CommitStatus, Event
from delivery.projects import Project
from delivery.releases import Release
from pipelines.runs import Job, Run


class Shape(BaseModel):
    """Base: made from a noun's attributes. Times are seconds since the epoch, UTC."""

    model_config = ConfigDict(from_attributes=True)


class ProjectShape(Shape):
    """A registered repository."""

    name: str
    domain: str
    default_branch: str
    forge: str = Field(description="`embedded` or `gitlab`")
    clone_url: str = Field(description="Where to clone from and push to")
    forge_url: str
    forge_project: str
    has_token: bool = Field(
        description="Whether an API token of the Git host is stored; the token itself is never shown"
    )
    has_webhook_secret: bool
    url: str = Field(description="Where the baseline answers")
    removing: bool = Field(description="Whether its removal is under way")
    created_at: float


class DeliveryShape(Shape):
    """One webhook request or push, without its body."""

    id: str
    project: str
    host: str
    key: str = Field(description="The host's id of the event; equal keys are one delivery")
    event: str
    received_at: float
    state: str
    outcome: str
    run: str


class JobShape(Shape):
    """Build and test of one service."""

    id: str
    service: str
    revision: str
    state: str
    artifact: str
    message: str
    attempt: int
    created_at: float
    started_at: float | None
    ended_at: float | None


class RunShape(Shape):
    """One execution of the pipeline."""

    id: str
    project: str
    number: int
    ref: str
    branch: str
    revision: str
    state: str
    author: str
    reasons: dict[str, str] = Field(description="service -> why it is built or reused")
    releases: dict[str, str]
    rollouts: list[str]
    message: str
    cancel_requested: bool
    created_at: float
    started_at: float | None
    ended_at: float | None
    jobs: list[JobShape] = Field(default_factory=list, description="Only when one run is asked for")


class WorkloadShape(Shape):
    """What runs of one service in one environment."""

    service: str
    version: str
    health: str
    ready: int
    wanted: int
    reason: str
    restarts: int


class EnvironmentShape(Shape):
    """A place with a colour."""

    id: str
    project: str
    name: str
    color: str = Field(description="Empty for the baseline")
    branch: str
    base: str
    owner: str
    url: str
    fallback: str
    state: str
    workloads: dict[str, str] = Field(description="service -> stable version")
    revision: str
    created_at: float
    expires_at: float | None
    status: list[WorkloadShape] = Field(default_factory=list, description="Only when one environment is asked for")


class ReleaseShape(Shape):
    """What can be deployed: a service's artifact with its manifests."""

    id: str
    project: str
    service: str
    version: str
    artifact: str
    revision: str
    ref: str
    run: str
    created_at: float
    quarantined: str = Field(description="Why a gate rolled it back; empty when it may be deployed")


class EventShape(Shape):
    """One line of the audit trail."""

    id: int
    at: float
    project: str
    subject: str
    kind: str
    text: str
    actor: str
    data: dict[str, Any]


class StatusShape(Shape):
    """What was told to the Git host about a commit."""

    project: str
    revision: str
    ref: str
    name: str
    state: str
    description: str
    url: str
    updated_at: float
    sent_at: float | None


def show_project(project: Project, clone_url: str, url: str) -> ProjectShape:
    """Return the project with its secrets reduced to "there is one"."""
    return ProjectShape(
        name=project.name,
        domain=project.domain,
        default_branch=project.default_branch,
        forge=project.forge,
        clone_url=clone_url,
        forge_url=project.forge_url,
        forge_project=project.forge_project,
        has_token=bool(project.token),
        has_webhook_secret=bool(project.webhook_secret),
        url=url,
        removing=project.removing,
        created_at=project.created_at,
    )


def show_delivery(delivery: Delivery) -> DeliveryShape:
    """Return the delivery without its body."""
    return DeliveryShape.model_validate(delivery)


def show_job(job: Job) -> JobShape:
    """Return the job without the worker's bookkeeping."""
    return JobShape.model_validate(job)


def show_run(run: Run, jobs: tuple[Job, ...] = ()) -> RunShape:
    """Return the run, with its jobs when given."""
    shown = RunShape.model_validate(encode(run))
    shown.jobs = [show_job(job) for job in jobs]
    return shown


def show_environment(environment: Environment) -> EnvironmentShape:
    """Return the environment without its workloads' health."""
    return EnvironmentShape.model_validate(encode(environment))


def show_release(release: Release) -> ReleaseShape:
    """Return the release without its manifests."""
    return ReleaseShape.model_validate(release)


def show_event(event: Event) -> EventShape:
    """Return the event."""
    return EventShape.model_validate(event)


def show_status(status: CommitStatus) -> StatusShape:
    """Return the commit status."""
    return StatusShape.model_validate(status)
