"""Image builders: which of pipelines' builders of Dockerfiles an installation has. Neighbour: bootstrap."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

from delivery.errors import Rejected
from pipelines.builders.buildkit import BuildkitBuilder, fixed_address
from pipelines.builders.buildkit_job import BuildkitJobs, JobOptions
from pipelines.builders.engine import EngineBuilder
from pipelines.images.credentials import Credentials
from pipelines.ports import DockerfileBuilder

_CLUSTER = ("KUBECONFIG", "KUBERNETES_SERVICE_HOST", "KUBERNETES_SERVICE_PORT")
_TOKEN = Path("/var/run/secrets/kubernetes.io/serviceaccount/token")


@dataclass(frozen=True)
class BuilderChoice:
    """`kind`: auto, process, docker, buildkit or kubernetes; the rest as the settings of the same names."""

    kind: str = "auto"
    buildkit_address: str = ""
    docker_host: str = ""
    kubeconfig: str = ""
    job: JobOptions = field(default_factory=JobOptions)


def dockerfile_builder(choice: BuilderChoice, credentials: Credentials) -> DockerfileBuilder | None:
    """Return the builder of Dockerfiles, None for none. Raises Rejected for a choice that lacks its address."""
    kind = _automatic(choice) if choice.kind == "auto" else choice.kind
    found = _cluster_environment(choice.kubeconfig)
    if kind == "buildkit":
        address = _needed(choice.buildkit_address, kind, "COLORLANE_BUILDKIT_ADDRESS")
        return BuildkitBuilder(fixed_address(address), credentials, environment=found)
    if kind == "docker":
        return EngineBuilder(_needed(choice.docker_host, kind, "COLORLANE_DOCKER_HOST"), credentials)
    if kind == "kubernetes":
        from delivery.adapters.platform_kubernetes.connection import connect  # late: 0.3 s

        return BuildkitBuilder(BuildkitJobs(connect(choice.kubeconfig), choice.job), credentials, environment=found)
    return None


def _automatic(choice: BuilderChoice) -> str:
    """Prefer what was set up on purpose; a pod of its own for each build where there is a cluster; else none."""
    if choice.buildkit_address:
        return "buildkit"
    if choice.docker_host:
        return "docker"
    return "kubernetes" if _TOKEN.is_file() else "process"


def _needed(value: str, kind: str, variable: str) -> str:
    if not value:
        raise Rejected(f"COLORLANE_BUILDER={kind} needs {variable}", field=variable, remedy=f"Set {variable}")
    return value


def _cluster_environment(kubeconfig: str) -> dict[str, str]:
    """Return what `kubectl exec`, which carries context and image, needs to find the cluster."""
    given = {name: value for name, value in os.environ.items() if name in _CLUSTER}
    return given | ({"KUBECONFIG": kubeconfig} if kubeconfig else {})
