"""The gateway: writes its bootstrap, and, started alone, becomes Envoy (`python -m delivery gateway`).

`up` starts Envoy itself from the same bootstrap. Neighbours: stack, addresses, mesh.sidecar.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import NoReturn

from delivery.embedded.addresses import check_free, remembered_port
from delivery.errors import Rejected
from delivery.processes.ports import PortPool
from delivery.processes.private import make_private
from delivery.settings import Settings
from mesh.sidecar import Door, envoy_argv, gateway_bootstrap


def write_bootstrap(settings: Settings, file: Path, admin_port: int) -> None:
    """Write what the gateway's Envoy reads at its start."""
    text = gateway_bootstrap(
        settings.gateway_name,
        settings.gateway_host,
        settings.gateway_port,
        settings.xds_port,
        admin_port,
        xds_address=settings.xds_address,
        door=_door(settings),
    )
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")


def _door(settings: Settings) -> Door | None:
    """How the gateway shows who it is, on Kubernetes. Raises Rejected where a file is missing."""
    if settings.xds_ca_file is None:
        return None
    token = settings.xds_token_file
    for name, file in (("COLORLANE_XDS_CA_FILE", settings.xds_ca_file), ("COLORLANE_XDS_TOKEN_FILE", token)):
        if file is not None and not file.is_file():
            remedy = "mount it (the mesh makes Secret colorlane-mesh-ca when it first starts), or unset the variable"
            raise Rejected(f"{name}: there is no file {file}", field=name, value=str(file), remedy=remedy)
    return Door(settings.xds_ca_file.read_text(encoding="utf-8"), str(token.absolute()) if token else "")


def become_gateway(settings: Settings) -> NoReturn:
    """Replace this process by the gateway's Envoy. Raises Rejected when its port is taken."""
    check_free({"COLORLANE_GATEWAY_PORT": (settings.gateway_host, settings.gateway_port)})
    state_dir = settings.state_dir.resolve()
    make_private(state_dir)
    file = state_dir / "processes" / "gateway" / "bootstrap.json"
    write_bootstrap(settings, file, remembered_port(state_dir / "ports.json", "gateway-admin", PortPool()))
    argv = envoy_argv(file)
    os.execv(argv[0], argv)  # noqa: S606  no shell is the point
