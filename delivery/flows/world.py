"""World: the ports a flow has at hand, wired by `bootstrap`. Neighbours: every flow, bootstrap."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from delivery.errors import Rejected
from delivery.ports.builds import Builds
from delivery.ports.clock import Clock
from delivery.ports.forge import Forge
from delivery.ports.metrics import Metrics
from delivery.ports.platform import Platform
from delivery.ports.store import Event, Store
from delivery.ports.traffic import Traffic
from delivery.projects import Project


class Wake(Protocol):
    """Ask for a task soon. Best effort: never raises, may be lost or doubled; the sweeper finds the row anyway."""

    def __call__(self, task: str, id: str) -> None:
        """`task` is a name of `delivery.worker.wakeups.TASKS`, `id` that of the row."""
        ...


@dataclass(frozen=True)
class Limits:
    """Seconds and counts the flows go by; the reasons stand in `settings`."""

    lease: float = 15.0
    job_lease: float = 20.0
    job_attempts: int = 3
    history: float = 30 * 86_400.0
    log_bytes: int = 1_000_000_000


@dataclass(frozen=True)
class World:
    """Ports and places. `owner` names this process in leases: `<host>/<pid>/<start>`."""

    store: Store
    platform: Platform
    traffic: Traffic
    metrics: Metrics
    forges: Mapping[str, Forge]
    builds: Builds
    clock: Clock
    wake: Wake
    owner: str
    logs: Path
    domain: str = "localhost"
    gateway_port: int = 8080
    api_url: str = "http://localhost:8000"
    limits: Limits = field(default_factory=Limits)

    def forge(self, project: Project) -> Forge:
        """Return the project's Git host."""
        try:
            return self.forges[project.forge]
        except KeyError:
            raise Rejected(
                f"project {project.name}: unknown Git host {project.forge!r}",
                field="forge",
                value=project.forge,
                remedy=f"use one of {', '.join(sorted(self.forges))}",
            ) from None

    def url(self, project: Project, color: str) -> str:
        """Return where people open the environment."""
        host = f"{color}.{project.domain}" if color else project.domain
        return f"http://{host}:{self.gateway_port}/" if self.gateway_port != 80 else f"http://{host}/"

    def tell(self, project: str, subject: str, kind: str, text: str, actor: str = "", **data: object) -> None:
        """Append to the trail that people and streams read."""
        self.store.record(self.event(project, subject, kind, text, actor, **data))

    def event(self, project: str, subject: str, kind: str, text: str, actor: str = "", **data: object) -> Event:
        """Return a line of the trail, to be saved with the row it speaks of."""
        return Event(0, self.clock.now(), project, subject, kind, text, actor, dict(data))
