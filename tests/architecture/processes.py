"""How `colorlane up` starts its processes, as compose and Kubernetes have to write it: `python` for the interpreter."""

from __future__ import annotations

from pathlib import Path

from delivery.embedded.description import Layout, describe

_LAYOUT = Layout(
    state_dir=Path("state"),
    api_host="127.0.0.1",
    api_port=8000,
    gateway_port=8080,
    gateway_admin=1,
    mesh_port=15012,
    redis_port=2,
    redis_program="",
)

# The stack starts the gateway's Envoy itself; alone, `delivery gateway` writes the bootstrap and becomes it.
COMMANDS = {each.name: ["python", *each.argv[1:]] for each in describe(_LAYOUT)} | {
    "gateway": ["python", "-P", "-m", "delivery", "gateway"]
}
