"""Workload: a release running in an environment, and how it is. Pure; neighbours: releases, ports.platform."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from delivery.releases import Manifest


@dataclass(frozen=True, order=True)
class WorkloadKey:
    """A release running in an environment. `color` is "" in production."""

    project: str
    service: str
    color: str
    version: str


@dataclass(frozen=True)
class WorkloadSpec:
    """`manifests`: one Deployment, the Services that select it, the ConfigMaps it uses, as rendered.

    `replicas` overrides the Deployment's own count when not None. `artifact` is the digest to run.
    """

    key: WorkloadKey
    generation: int
    artifact: str
    manifests: Sequence[Manifest]
    replicas: int | None = None


class Health(StrEnum):
    """Where a workload stands."""

    ABSENT = "absent"
    STARTING = "starting"
    READY = "ready"  # all replicas ready and registered with the mesh
    DEGRADED = "degraded"  # was ready; some replica is not
    FAILING = "failing"  # crashes, or never becomes ready; `reason` says why in words for people
    STOPPING = "stopping"


@dataclass(frozen=True)
class WorkloadStatus:
    """One reading of a workload."""

    key: WorkloadKey
    health: Health
    ready: int = 0
    wanted: int = 0
    reason: str = ""
    restarts: int = 0


@dataclass(frozen=True)
class Replica:
    """One copy of a workload, a pod or a process with its sidecar. `started_at` in seconds since the epoch."""

    name: str
    state: str  # starting, ready, draining, or what the platform calls it
    ready: bool
    restarts: int = 0
    reason: str = ""
    node: str = ""
    address: str = ""
    started_at: float | None = None


@dataclass(frozen=True)
class Happening:
    """Something the platform tells of a workload, as Kubernetes' events do. `at` is when it last happened."""

    at: float
    subject: str  # the replica or object it is about
    reason: str  # one word: Killing, BackOff, Unhealthy ...
    text: str
    warning: bool = False
    count: int = 1
