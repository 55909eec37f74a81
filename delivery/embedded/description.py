"""The processes of the embedded stack: pure. Neighbours: supervisor (runs them), readiness (asks them).

Processes start side by side, each as soon as those it needs are ready: all can wait for the others by themselves,
but a start without retries is quicker. They stop stage by stage, from the highest down.
"""

from __future__ import annotations

import signal
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from delivery.embedded.redis_server import CONFIG
from mesh.sidecar import envoy_argv


@dataclass(frozen=True)
class Readiness:
    """How a process shows that it is ready, within `deadline` seconds of its start.

    `kind`: "redis" (answers PING on `port` to the password of its configuration `path`), "http" (GET `path` on `port`
    answers 200), "envoy" (admin on `port`; listens on `listens`), "pid" (the file `path` names the process), "log"
    (its output holds `text`).
    """

    kind: str
    port: int = 0
    path: str = ""
    text: str = ""
    listens: int = 0
    deadline: float = 60.0


@dataclass(frozen=True)
class Description:
    """One process. `needs`: names of those that are ready before it starts; `stage`: higher ones stop first.

    `grace`: seconds between SIGTERM and SIGKILL; `end_signal`: what it gets when `up` itself dies.
    """

    name: str
    argv: tuple[str, ...]
    readiness: Readiness
    stage: int
    needs: tuple[str, ...] = ()
    grace: float = 5.0
    env: Mapping[str, str] = field(default_factory=dict)
    end_signal: int = signal.SIGTERM


@dataclass(frozen=True)
class Layout:
    """Where the stack's parts are. `redis_program` "" means that Redis is somebody else's."""

    state_dir: Path
    api_host: str
    api_port: int
    gateway_port: int
    gateway_admin: int
    mesh_port: int
    redis_port: int
    redis_program: str

    @property
    def redis_config(self) -> Path:
        """File with the password of Redis."""
        return self.state_dir / "redis" / CONFIG

    @property
    def gateway_bootstrap(self) -> Path:
        """File with the gateway's bootstrap."""
        return self.state_dir / "processes" / "gateway" / "bootstrap.json"


def describe(layout: Layout) -> tuple[Description, ...]:
    """Return the processes."""
    redis = (_redis(layout),) if layout.redis_program else ()
    return (*redis, _mesh(layout), _gateway(layout), _agent(layout), _api(layout), _worker("control"), _worker("build"))


def _redis(layout: Layout) -> Description:
    argv = (
        layout.redis_program,
        str(layout.redis_config),
        *("--port", str(layout.redis_port)),
        *("--bind", "127.0.0.1"),
        *("--dir", str(layout.state_dir / "redis")),
        # The mesh keeps its truth here. Written by the kernel even if Redis is killed; synced every second.
        *("--appendonly", "yes"),
        *("--appendfsync", "everysec"),
        *("--save", ""),
        *("--daemonize", "no"),
    )
    readiness = Readiness("redis", port=layout.redis_port, path=str(layout.redis_config), deadline=20)
    return Description("redis", argv, readiness, stage=0)


def _mesh(layout: Layout) -> Description:
    readiness = Readiness("http", port=layout.mesh_port, path="/readyz")
    return Description("mesh", _python("mesh"), readiness, stage=1, needs=("redis",))


def _gateway(layout: Layout) -> Description:
    readiness = Readiness("envoy", port=layout.gateway_admin, listens=layout.gateway_port)
    return Description("gateway", tuple(envoy_argv(layout.gateway_bootstrap)), readiness, stage=2)


def _agent(layout: Layout) -> Description:
    # It ends every workload when it is told to stop, requests in flight first.
    readiness = Readiness("pid", path=str(layout.state_dir / "platform" / "agent.json"))
    return Description("agent", _python("delivery", "agent"), readiness, stage=3, grace=20)


def _api(layout: Layout) -> Description:
    readiness = Readiness("http", port=layout.api_port, path="/healthz")
    return Description("api", _python("delivery", "api"), readiness, stage=4)


def _worker(queue: str) -> Description:
    # A worker that is told to stop waits for its tasks; all of them can be taken up again, so not for long.
    readiness = Readiness("log", text='"event": "worker"')
    return Description(
        f"worker-{queue}", _python("delivery", "worker", queue), readiness, stage=4, needs=("redis",), grace=3
    )


def _python(*words: str) -> tuple[str, ...]:
    """Return a command of the running interpreter; -P keeps the current directory out of the import path."""
    return (sys.executable, "-P", "-m", *words)
