"""Ports of the stack: those people know must be free, inner ones are chosen once and remembered. Neighbour: stack."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from delivery.errors import Rejected
from delivery.processes.ports import LOOPBACK, PortPool, port_holder, port_is_free
from delivery.processes.records import write_atomic


def check_free(wanted: Mapping[str, tuple[str, int]]) -> None:
    """Raise Rejected for the first taken port. `wanted` maps the setting's name to (host, port)."""
    for setting, (host, port) in wanted.items():
        if port == 0 or not port_is_free(port, host):
            why = f"is in use by {port_holder(port)}" if port else "is not a port to listen on"
            raise Rejected(
                f"port {port} ({setting}) {why}",
                field=setting,
                value=port,
                remedy=f"stop that program, or set {setting} to a free port",
            )
    chosen = [port for _, port in wanted.values()]
    for setting, (_, port) in wanted.items():
        if chosen.count(port) > 1:
            raise Rejected(
                f"port {port} ({setting}) is given to two parts of the stack",
                field=setting,
                value=port,
                remedy=f"set {setting} to another port",
            )


def remembered_port(file: Path, name: str, pool: PortPool) -> int:
    """Return the port an inner part had last time if it is still free, else another one, and remember it."""
    try:
        known = json.loads(file.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        known = {}
    port = known.get(name)
    if not isinstance(port, int) or not port_is_free(port, LOOPBACK):
        port = pool.take()
        write_atomic(file, json.dumps({**known, name: port}))
    return port
