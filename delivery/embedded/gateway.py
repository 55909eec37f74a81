"""The gateway: writes its bootstrap, and, started alone, becomes Envoy (`python -m delivery gateway`).

`up` starts Envoy itself from the same bootstrap. Neighbours: stack, addresses, mesh.sidecar.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import NoReturn

from delivery.embedded.addresses import check_free, remembered_port
from delivery.processes.ports import PortPool
from delivery.processes.private import make_private
from delivery.settings import Settings
from mesh.sidecar import envoy_argv, gateway_bootstrap


def write_bootstrap(settings: Settings, file: Path, admin_port: int) -> None:
    """Write what the gateway's Envoy reads at its start."""
    text = gateway_bootstrap("main", settings.gateway_host, settings.gateway_port, settings.xds_port, admin_port)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")


def become_gateway(settings: Settings) -> NoReturn:
    """Replace this process by the gateway's Envoy. Raises Rejected when its port is taken."""
    check_free({"COLORLANE_GATEWAY_PORT": (settings.gateway_host, settings.gateway_port)})
    state_dir = settings.state_dir.resolve()
    make_private(state_dir)
    file = state_dir / "processes" / "gateway" / "bootstrap.json"
    write_bootstrap(settings, file, remembered_port(state_dir / "ports.json", "gateway-admin", PortPool()))
    argv = envoy_argv(file)
    os.execv(argv[0], argv)  # noqa: S606  no shell is the point
