"""Workloads: what people used a container console for: replicas, logs, events, restart, scale, ways back.

A service is named as it runs in an environment; `version` chooses another than the stable one, the candidate say.
Neighbours: flows.operate_workload, shells (the terminal), environments.
"""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query
from fastapi.responses import PlainTextResponse
from pydantic import BaseModel, ConfigDict, Field

from delivery.api.context import Here
from delivery.api.environments import find
from delivery.api.rolloutshapes import RolloutShape, show_rollout
from delivery.api.shapes import Shape
from delivery.environments import Environment
from delivery.flows import operate_workload
from delivery.flows.world import World
from delivery.workloads import WorkloadKey

router = APIRouter(prefix="/environments/{project}/{name}/services/{service}", tags=["workloads"])

Name = Annotated[str, Path(max_length=63)]
Version = Annotated[str, Query(max_length=63, description="Another version than the stable one")]


class ReplicaShape(Shape):
    """One copy of a workload."""

    name: str
    state: str
    ready: bool
    restarts: int
    reason: str
    node: str
    address: str
    started_at: float | None


class HappeningShape(Shape):
    """Something the platform tells of a workload."""

    at: float
    subject: str
    reason: str
    text: str
    warning: bool
    count: int


class RevisionShape(BaseModel):
    """A release that has been the stable one here."""

    version: str
    revision: str = Field(description="The commit")
    ref: str
    artifact: str
    at: float = Field(description="When it became the stable one")
    rollout: str
    current: bool
    quarantined: str = Field(description="Why it cannot be gone back to; empty when it can")


class Asked(BaseModel):
    """Who asks, and why."""

    model_config = ConfigDict(extra="forbid")

    by: str = Field("", max_length=200)
    reason: str = Field("", max_length=2000)


class Size(BaseModel):
    """How many replicas; null: as the manifests say."""

    model_config = ConfigDict(extra="forbid")

    replicas: int | None = Field(ge=0, le=1000)
    by: str = Field("", max_length=200)


class WayBack(BaseModel):
    """Where to: a version, or a commit by at least 7 characters."""

    model_config = ConfigDict(extra="forbid")

    to: str = Field(min_length=1, max_length=64)
    by: str = Field("", max_length=200)


@router.get("/replicas")
def replicas(project: Name, name: Name, service: Name, world: Here, version: Version = "") -> list[ReplicaShape]:
    """List the replicas of a service in an environment."""
    _, key = _workload(world, project, name, service, version)
    return [ReplicaShape.model_validate(each) for each in world.platform.replicas(key)]


@router.get("/events")
def events(
    project: Name,
    name: Name,
    service: Name,
    world: Here,
    version: Version = "",
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
) -> list[HappeningShape]:
    """Tell what happened to the service lately, newest last."""
    _, key = _workload(world, project, name, service, version)
    return [HappeningShape.model_validate(each) for each in world.platform.events(key, limit)]


@router.get("/logs", response_class=PlainTextResponse)
def logs(
    project: Name,
    name: Name,
    service: Name,
    world: Here,
    version: Version = "",
    tail: Annotated[int, Query(ge=1, le=10_000, description="Lines of each replica")] = 200,
) -> str:
    """Return the last lines of the service's output, each with its replica."""
    _, key = _workload(world, project, name, service, version)
    return "".join(f"{line}\n" for line in world.platform.logs(key, tail))


@router.get("/drift")
def drift(project: Name, name: Name, service: Name, world: Here, version: Version = "") -> list[str]:
    """Say what somebody has changed by hand since the service was deployed; the next release takes it back."""
    _, key = _workload(world, project, name, service, version)
    return list(world.platform.drift(key))


@router.get("/revisions")
def revisions(project: Name, name: Name, service: Name, world: Here) -> list[RevisionShape]:
    """List what was the stable release here, newest first."""
    found = operate_workload.revisions(world, find(world, name, project), service)
    return [
        RevisionShape(
            version=each.release.version,
            revision=each.release.revision,
            ref=each.release.ref,
            artifact=each.release.artifact,
            at=each.at,
            rollout=each.rollout,
            current=each.current,
            quarantined=each.release.quarantined,
        )
        for each in found
    ]


@router.post("/restart", status_code=202)
def restart(project: Name, name: Name, service: Name, asked: Asked, world: Here, version: Version = "") -> WorkloadKey:
    """Replace every replica, new ones first: no request fails."""
    environment, key = _workload(world, project, name, service, version)
    operate_workload.restart(world, environment, key, asked.by, asked.reason)
    return key


@router.post("/scale", status_code=202)
def scale(project: Name, name: Name, service: Name, size: Size, world: Here, version: Version = "") -> WorkloadKey:
    """Run another number of replicas of this version; the next release starts as its manifests say."""
    environment, key = _workload(world, project, name, service, version)
    operate_workload.scale(world, environment, key, size.replicas, size.by)
    return key


@router.post("/rollback", status_code=202)
def rollback(project: Name, name: Name, service: Name, back: WayBack, world: Here) -> RolloutShape:
    """Start a rollout to a release that ran here before; the other one drains when it is ready."""
    environment = find(world, name, project)
    return show_rollout(operate_workload.roll_back_to(world, environment, service, back.to, back.by))


def _workload(world: World, project: str, name: str, service: str, version: str) -> tuple[Environment, WorkloadKey]:
    environment = find(world, name, project)
    return environment, operate_workload.workload_of(world, environment, service, version)
