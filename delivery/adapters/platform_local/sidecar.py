"""The sidecar Envoy of one replica, as the replica sees it. Everything Envoy-specific is in `mesh.sidecar`.

The calls of `mesh.sidecar` block on loopback for at most their timeout, so they run in threads.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from pathlib import Path

from delivery.adapters.platform_local.capturing import has_ipv6
from delivery.adapters.platform_local.records import ReplicaRecord
from delivery.processes.process import Process, spawn
from mesh.model.proxies import Capture
from mesh.sidecar import Port, drain, envoy_argv, in_flight, ready, sidecar_bootstrap

FIRST_PAUSE, PAUSE_GROWTH, LONGEST_PAUSE = 0.02, 1.15, 0.5  # seconds between looks until it is ready
ADMIN_TIMEOUT = 1.0

Bootstrap = Callable[[ReplicaRecord], str]


def mesh_bootstrap(xds_port: int) -> Bootstrap:
    """Return what makes a sidecar take its configuration from the mesh on this machine."""

    def bootstrap(record: ReplicaRecord) -> str:
        key, ports = record.key, record.ports
        return sidecar_bootstrap(
            record.endpoint,
            xds_port,
            ports.admin,
            namespace=key.project,
            service=key.service,
            color=key.color,
            version=key.version,
            outbound=ports.outbound,
            ports=endpoint_ports(record),
            capture=capture_of(record),
        )

    return bootstrap


def capture_of(record: ReplicaRecord) -> Capture | None:
    """Return where the sidecar takes captured connections; None where the application is not captured."""
    ports = record.ports
    return Capture(ports.captured, 0, ports.dns, ipv6=has_ipv6()) if ports.captured else None


def endpoint_ports(record: ReplicaRecord) -> list[Port]:
    """Return the ports of a replica in the words of the mesh."""
    ports = record.ports
    return [
        Port(p.name, p.port, ports.inbound[p.port], ports.targets[p.container_port], p.protocol)
        for p in record.plan.service_ports
    ]


def start(record: ReplicaRecord, folder: Path, bootstrap: Bootstrap, env: Mapping[str, str]) -> Process:
    """Write the bootstrap and start Envoy. Raises OSError."""
    config = folder / "bootstrap.json"
    config.write_text(bootstrap(record), encoding="utf-8")
    config.chmod(0o600)
    return spawn(envoy_argv(config), cwd=folder, env=env, log=folder / "sidecar.log")


async def until_ready(record: ReplicaRecord) -> None:
    """Return when the sidecar has its configuration and listens on all its ports."""
    ports = (record.ports.outbound, *record.ports.inbound.values(), *filter(None, (record.ports.captured,)))
    pause = FIRST_PAUSE
    while not await asyncio.to_thread(ready, record.ports.admin, ports=ports, timeout=ADMIN_TIMEOUT):
        await asyncio.sleep(pause)
        pause = min(pause * PAUSE_GROWTH, LONGEST_PAUSE)


async def until_idle(record: ReplicaRecord) -> None:
    """Ask the sidecar to let its connections end; return when it serves no request (or does not answer any more)."""
    await asyncio.to_thread(drain, record.ports.admin, timeout=ADMIN_TIMEOUT)
    pause = FIRST_PAUSE
    while await asyncio.to_thread(in_flight, record.ports.admin, timeout=ADMIN_TIMEOUT):
        await asyncio.sleep(pause)
        pause = min(pause * PAUSE_GROWTH, LONGEST_PAUSE)
