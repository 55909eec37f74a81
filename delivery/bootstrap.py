"""Composition root: the one place that turns settings into parts. Each process calls `build` once.

Neighbours: settings (read here only), asgi, celeryapp, __main__, and through `Colorlane` everything else.
"""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from delivery.adapters.builds_pipelines import PipelineBuilds
from delivery.adapters.clock_system import SystemClock
from delivery.adapters.forge_embedded import EmbeddedForge
from delivery.adapters.forge_gitlab import GitlabForge
from delivery.adapters.image_builders import BuilderChoice, dockerfile_builder
from delivery.adapters.metrics_mesh import MeshMetrics
from delivery.adapters.store_sql import SqlStore
from delivery.adapters.traffic_mesh import MeshTraffic
from delivery.flows.world import Limits, World
from delivery.ports.platform import Platform
from delivery.processes.private import make_private
from delivery.settings import Settings
from delivery.worker.owners import this_process
from delivery.worker.wakeups import Wakeups
from pipelines.artifacts import ArtifactStore
from pipelines.builders.buildkit_job import JobOptions
from pipelines.images.credentials import Credentials
from pipelines.packaging import ImageOptions, ImagePackaging
from pipelines.ports import Packaging

APPLY_AGAIN = 5.0  # seconds; what somebody took from a candidate's objects by hand is back after as long


POD_SECRETS = Path("/var/run/secrets")  # where a pod's tokens are mounted


@dataclass(frozen=True, kw_only=True)
class Colorlane(World):
    """A process's parts: a World plus the settings they were made from."""

    settings: Settings


def build(settings: Settings | None = None) -> Colorlane:
    """Wire all parts. Creates the state directory and brings the database's schema up to date."""
    settings = settings or Settings()
    state = settings.state_dir.resolve()
    make_private(state)
    for each in ("git", "artifacts", "builds", "logs/runs", "logs/processes", "platform"):
        (state / each).mkdir(parents=True, exist_ok=True)
    return Colorlane(
        store=SqlStore(settings.database),
        platform=_platform(settings),
        traffic=MeshTraffic(settings.mesh, settings.mesh_token),
        metrics=MeshMetrics(settings.mesh, settings.mesh_token),
        forges={"embedded": EmbeddedForge(state / "git"), "gitlab": GitlabForge(state / "git")},
        builds=_builds(settings, state),
        clock=SystemClock(),
        wake=Wakeups(settings.redis_url),
        owner=this_process(settings.owner),
        logs=state / "logs",
        domain=settings.domain,
        gateway_port=settings.gateway_port,
        api_url=settings.api_url,
        limits=_limits(settings),
        settings=settings,
    )


def _limits(settings: Settings) -> Limits:
    return Limits(
        lease=settings.lease,
        job_lease=settings.job_lease,
        job_attempts=settings.job_attempts,
        history=settings.history_days * 86_400,
        log_bytes=settings.log_megabytes * 1_000_000,
    )


def _builds(settings: Settings, state: Path) -> PipelineBuilds:
    """On a cluster the worker has logins and rights of many teams, which one team's build has no business with."""
    if settings.platform != "kubernetes":
        return PipelineBuilds(state)
    given = (settings.registry_auth_file, Path(settings.kubeconfig) if settings.kubeconfig else None)
    hidden = (state, POD_SECRETS, *(path for path in given if path is not None))
    return PipelineBuilds(state, _packaging(settings, state), hidden)


def _packaging(settings: Settings, state: Path) -> Packaging:
    """Return what makes images: pods run nothing else."""
    s = settings
    credentials = Credentials(s.registry_auth_file)
    options = ImageOptions(
        repository=s.image_repository.rstrip("/"),
        insecure=frozenset(filter(None, (host.strip() for host in s.registry_insecure.split(",")))),
        base=s.image_base,
        bases=s.image_bases,
        platform=s.image_platform,
        load=tuple(shlex.split(s.image_load)),
    )
    job = JobOptions(namespace=s.build_namespace, image=s.buildkit_image)
    choice = BuilderChoice(s.builder, s.buildkit_address, s.docker_host, s.kubeconfig, job)
    return ImagePackaging(options, ArtifactStore(state), credentials, dockerfile_builder(choice, credentials))


def _platform(settings: Settings) -> Platform:
    if settings.platform == "kubernetes":
        return _kubernetes(settings)
    from delivery.adapters.platform_local import LocalPlatform

    return LocalPlatform(settings.state_dir.resolve())


def _kubernetes(settings: Settings) -> Platform:
    from delivery.adapters.platform_kubernetes import KubernetesPlatform, Layout
    from delivery.adapters.platform_kubernetes.connection import connect
    from delivery.adapters.platform_kubernetes.layout import read_quota

    layout = Layout(
        namespace=settings.kubernetes_namespace,
        own_previews=settings.preview_namespaces == "own",
        repository=settings.image_repository,
        pull_secret=settings.pull_secret,
        quota=read_quota(settings.preview_quota),
        allowed=tuple(name for part in settings.preview_callers.split(",") if (name := part.strip())),
        control=settings.control_namespace,
        pod_security=settings.pod_security,
    )
    return KubernetesPlatform(
        lambda: connect(settings.kubeconfig), layout, sidecars=settings.expect_sidecars, again=APPLY_AGAIN
    )


def describe(parts: Colorlane) -> dict[str, Any]:
    """Return what this process was wired with, for the first log line; no secrets."""
    s = parts.settings
    return {
        "state_dir": str(s.state_dir),
        "mesh": s.mesh,
        "domain": s.domain,
        "platform": s.platform,
        "database": parts.store.__class__.__name__,
    }
