"""Run and job: one execution of a project's pipeline for one revision. Pure; neighbours: plans, runner."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class RunState(StrEnum):
    """Life of a run."""

    QUEUED = "queued"  # waits to be planned
    BUILDING = "building"  # jobs run
    DEPLOYING = "deploying"  # releases made, rollouts under way
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELED = "canceled"
    SUPERSEDED = "superseded"  # a newer push of the same ref came before this one had deployed


RUN_ENDED = frozenset({RunState.SUCCEEDED, RunState.FAILED, RunState.CANCELED, RunState.SUPERSEDED})


class JobState(StrEnum):
    """Life of a job."""

    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELED = "canceled"


JOB_ENDED = frozenset({JobState.SUCCEEDED, JobState.FAILED, JobState.CANCELED})


@dataclass(frozen=True)
class Run:
    """`reasons`: service -> why it is built or reused. `releases`: service -> release id, once made."""

    id: str
    project: str
    ref: str
    branch: str
    revision: str
    number: int
    state: RunState = RunState.QUEUED
    author: str = ""
    reasons: Mapping[str, str] = field(default_factory=dict)
    keys: Mapping[str, str] = field(default_factory=dict)  # service -> content key, for what this run deploys
    releases: Mapping[str, str] = field(default_factory=dict)
    rollouts: tuple[str, ...] = ()
    message: str = ""  # why it failed or was superseded, in one sentence with the remedy
    cancel_requested: bool = False
    created_at: float = 0.0
    started_at: float | None = None
    ended_at: float | None = None
    row_version: int = 0


@dataclass(frozen=True)
class Job:
    """Build (and test) one service. `key` is the content key; equal keys are built once.

    `log` is the file's name under the state directory's `logs/`. `owner` and `lease_until` are the worker's claim.
    """

    id: str
    run: str
    project: str
    service: str
    key: str
    revision: str
    state: JobState = JobState.QUEUED
    artifact: str = ""
    message: str = ""
    log: str = ""
    owner: str = ""
    lease_until: float = 0.0
    attempt: int = 0
    created_at: float = 0.0
    started_at: float | None = None
    ended_at: float | None = None
    row_version: int = 0
