"""What is to run, after the manifests are understood: pure nouns. Made by `podspec`, carried out by `replica`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class ContainerPort:
    """A port on which the application listens in its pod."""

    name: str
    number: int


@dataclass(frozen=True)
class ServicePort:
    """A port others call; `container_port` is where it leads. `protocol`: "http", "http2", "grpc" or "tcp"."""

    name: str
    port: int
    container_port: int
    protocol: str = "http"


@dataclass(frozen=True)
class Probe:
    """A check of one container, with the fields and defaults of Kubernetes (seconds; counts in a row).

    `kind` is "http" (GET `path` with `headers`, 200..399 passes), "tcp" (connects) or "exec" (`command` exits 0).
    `port` is a container port.
    """

    kind: str
    port: int = 0
    path: str = "/"
    headers: tuple[tuple[str, str], ...] = ()
    command: tuple[str, ...] = ()
    initial_delay: float = 0.0
    period: float = 10.0
    timeout: float = 1.0
    failure_threshold: int = 3
    success_threshold: int = 1


@dataclass(frozen=True)
class Probes:
    """The three probes of a container; None where the manifest has none."""

    startup: Probe | None = None
    readiness: Probe | None = None
    liveness: Probe | None = None


@dataclass(frozen=True)
class Variable:
    """One environment variable: `value` is a template with `$(NAME)`; `source` a field path of the pod, or ""."""

    name: str
    value: str = ""
    source: str = ""


@dataclass(frozen=True)
class PodPlan:
    """One pod of a workload, still without ports of this machine. `argv` and values may hold `$(NAME)`.

    `pre_stop` is a command to run, `pre_stop_sleep` seconds to wait, before SIGTERM. `ignored` lists field paths
    that mean nothing to processes.
    """

    replicas: int
    argv: tuple[str, ...]
    working_dir: str
    variables: tuple[Variable, ...]
    container_ports: tuple[ContainerPort, ...]
    service_ports: tuple[ServicePort, ...]
    probes: Probes
    grace: float
    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    pre_stop: tuple[str, ...] = ()
    pre_stop_sleep: float = 0.0
    ignored: tuple[str, ...] = ()


@dataclass(frozen=True)
class ReplicaPorts:
    """Ports of this machine given to one replica. `targets` maps container port -> the application's."""

    targets: Mapping[int, int]
    inbound: Mapping[int, int]  # service port -> the sidecar's listener
    outbound: int
    admin: int
    captured: int = 0  # where connections of a captured application arrive, and its look-ups; 0: it is not captured
    dns: int = 0

    def all(self) -> tuple[int, ...]:
        """Return every port."""
        captured = (port for port in (self.captured, self.dns) if port)
        return (*self.targets.values(), *self.inbound.values(), self.outbound, self.admin, *captured)


@dataclass(frozen=True)
class ProcessSpec:
    """The application process of one replica, complete."""

    argv: tuple[str, ...]
    working_dir: str
    env: Mapping[str, str] = field(default_factory=dict)
