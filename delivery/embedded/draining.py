"""`python -m delivery.embedded.draining`: lets the gateway beside it end without a failed request; before its SIGTERM.

Kubernetes takes a pod out of its Services and runs this at the same time, so for a while new connections still come and
must be served. Then clients are asked to go elsewhere, and the last answers are waited for. Neighbours: gateway, which
this must find by its admin port; kustomize/base/gateway, which says it as preStop hook.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

from delivery.embedded.addresses import remembered_port
from delivery.processes.ports import PortPool
from delivery.settings import Settings
from mesh.sidecar import FLUSH_SECONDS, drain, in_flight

UNHEARD_SECONDS = 5.0
"""Load balancers may send new connections for so long after the pod was told to end."""
LONGEST_SECONDS = 60.0
"""Requests that take longer are cut; the pod's grace period is 15 seconds more."""
LOOK_SECONDS = 0.2


def drain_gateway(
    admin_port: int, *, now: Callable[[], float] = time.monotonic, sleep: Callable[[float], None] = time.sleep
) -> bool:
    """Return when no request is in flight (True) or the time is over (False); at once where there is no gateway."""
    deadline = now() + LONGEST_SECONDS
    sleep(UNHEARD_SECONDS)
    if not drain(admin_port, inbound_only=False):
        return True
    while requests := in_flight(admin_port):
        if now() >= deadline:
            sys.stderr.write(f"gateway: {requests} requests are cut after {LONGEST_SECONDS:.0f} s\n")
            return False
        sleep(LOOK_SECONDS)
    sleep(FLUSH_SECONDS)
    return True


def main() -> None:
    """Drain the gateway of this state directory."""
    state_dir = Settings().state_dir.resolve()
    drain_gateway(remembered_port(state_dir / "ports.json", "gateway-admin", PortPool()))


if __name__ == "__main__":
    main()
