"""Entries: the single processes of the stack as commands (`python -m delivery agent`), beside the command line.

Each imports only what it runs: a killed process is back sooner by what it does not load, and the command line is half
a second of that. Neighbours: __main__ (asks here first), embedded.description, compose and Kubernetes (which say them).
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

from delivery.errors import Rejected

USAGE = 2  # exit code: wrong usage


def _api() -> int:
    from delivery.asgi import serve

    serve()
    return 0


def _agent() -> int:
    from delivery.adapters.platform_local.agent import AgentConfig, run_agent
    from delivery.settings import Settings
    from delivery.worker.logs import configure

    configure()
    settings = Settings()
    config = AgentConfig(
        settings.state_dir.resolve(),
        settings.mesh,
        settings.xds_port,
        dict(os.environ),
        mesh_token=settings.mesh_token,
        capture=settings.capture,
    )
    run_agent(config)
    return 0


def _controller() -> int:
    import signal

    from delivery.adapters.objects_kubernetes import KubernetesObjects
    from delivery.adapters.platform_kubernetes.api import Api
    from delivery.adapters.platform_kubernetes.connection import connect
    from delivery.bootstrap import build
    from delivery.controller.objects import Key
    from delivery.controller.reconcile import Controller
    from delivery.settings import Settings
    from delivery.worker.logs import configure

    configure()
    settings = Settings()
    objects = KubernetesObjects(Api(connect(settings.kubeconfig)), Key)
    namespace = settings.kubernetes_namespace
    controller = Controller(build(settings), objects, lambda project: namespace.replace("{project}", project))
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: controller.stop())
    controller.run()
    return 0


def _gateway() -> int:
    from delivery.embedded.gateway import become_gateway
    from delivery.settings import Settings

    become_gateway(Settings())


def _worker(queue: str) -> Callable[[], int]:
    def run() -> int:
        from delivery.celeryapp import serve

        return serve(queue)

    return run


ENTRIES: Mapping[tuple[str, ...], Callable[[], int]] = MappingProxyType(
    {
        ("api",): _api,
        ("agent",): _agent,
        ("controller",): _controller,
        ("gateway",): _gateway,
        ("worker", "control"): _worker("control"),
        ("worker", "build"): _worker("build"),
    }
)


def run_entry(words: Sequence[str]) -> int | None:
    """Run the process these words name and return its exit code; None when they name none."""
    entry = ENTRIES.get(tuple(words))
    if entry is None:
        return None
    try:
        return entry()
    except Rejected as error:  # a taken port, an open door without a token
        sys.stderr.write(f"✘ {error.message}\n  → {error.remedy}\n")
        return USAGE
