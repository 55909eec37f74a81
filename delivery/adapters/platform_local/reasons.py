"""Why a replica is not ready, in words for people. Neighbours: workload (puts it into the status), replica."""

from __future__ import annotations

import time

from delivery.adapters.platform_local.replica import Replica
from delivery.processes.identity import session_members
from delivery.processes.logfiles import tail_lines
from delivery.processes.ports import listening_ports

LINE = 200  # characters shown of the last line of output
HINT_AFTER = 3.0  # seconds of refused connections until we look where the application listens instead


def replica_reason(replica: Replica) -> str:
    """Return "" for a ready replica."""
    if replica.port_taken:
        return f"{replica.port_taken}; a replica with other ports takes its place"
    if replica.usable:
        return ""
    if replica.state == "ready":
        return "ready, but the mesh has not taken its registration yet; is the mesh running?"
    if replica.state == "draining":
        return "withdrawing from the mesh, then ending requests in flight"
    if replica.app.process is None:
        return _crashed(replica)
    waited = time.monotonic() - replica.waiting_since
    if replica.health is not None and not replica.health.ready:
        failure = replica.health.failure or "waiting for the first probe"
        crash = f"; before that it {replica.app.last_end.describe()}" if replica.app.last_end else ""
        return f"{failure} for {waited:.0f} s{_hint(replica, failure, waited)}{crash}"
    if replica.sidecar.process is None and replica.sidecar.last_end is not None:
        return f"the sidecar {replica.sidecar.last_end.describe()} ({replica.sidecar.restarts} restarts)"
    return f"the sidecar has no configuration from the mesh for {waited:.0f} s; is the mesh running?"


def _crashed(replica: Replica) -> str:
    end = replica.app.last_end
    if end is None:
        return "starting"
    lines = tail_lines(replica.log_path, 1)
    last = f"; last line: {lines[0].strip()[:LINE]}" if end.exit is not None and lines else ""
    return f"{end.describe()} ({_times(replica.app.restarts)}){last}"


def _hint(replica: Replica, failure: str, waited: float) -> str:
    """Tell a developer whose application listens on a fixed port what to change."""
    targets = set(replica.record.ports.targets.values())
    if waited < HINT_AFTER or "connection refused" not in failure or replica.app.process is None:
        return ""
    elsewhere = sorted(listening_ports(session_members(replica.app.process.identity)) - targets)
    if not elsewhere:
        return "; it must listen on the port in the environment variable PORT"
    ports = ", ".join(map(str, elsewhere))
    return f"; it listens on port {ports} instead: let it listen on the environment variable PORT"


def _times(restarts: int) -> str:
    return "1 restart" if restarts == 1 else f"{restarts} restarts"
