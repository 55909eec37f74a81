"""The gateway started alone, as containers do: it becomes Envoy, or says which port is taken."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

pytestmark = pytest.mark.integration
COMMAND = (sys.executable, "-P", "-m", "delivery", "gateway")


def environment(state_dir: Path, gateway_port: int) -> dict[str, str]:
    own = {"COLORLANE_STATE_DIR": str(state_dir), "COLORLANE_GATEWAY_PORT": str(gateway_port)}
    nobody = str(free_port())  # never the mesh of a stack that happens to run here
    return {**os.environ, **own, "COLORLANE_XDS_PORT": nobody}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def node_of(state_dir: Path, process: subprocess.Popen[bytes], seconds: float = 20) -> str:
    """Return the node id that Envoy's admin interface tells."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and process.poll() is None:
        try:
            port = json.loads((state_dir / "ports.json").read_text())["gateway-admin"]
            info = httpx.get(f"http://127.0.0.1:{port}/server_info", trust_env=False).json()
            return str(info["node"]["id"])
        except (OSError, ValueError, httpx.HTTPError):
            time.sleep(0.05)
    raise AssertionError(f"no Envoy within {seconds} s, exit status {process.poll()}")


def test_it_becomes_the_gateway_s_envoy(tmp_path: Path) -> None:
    with subprocess.Popen(COMMAND, env=environment(tmp_path, free_port())) as process:
        try:
            assert node_of(tmp_path, process) == "gateway/main"
            assert Path(f"/proc/{process.pid}/exe").resolve().name.startswith("envoy")
            admin = json.loads((tmp_path / "ports.json").read_text())["gateway-admin"]
            for order in ("quitquitquit", "runtime_modify?a=b", "logging?level=off", "reset_counters", "memory"):
                refused = httpx.post(f"http://127.0.0.1:{admin}/{order}", trust_env=False)
                assert refused.status_code == 403, f"a web page could send {order}"
            assert process.poll() is None
        finally:
            process.terminate()


def test_a_taken_port_is_an_error_that_names_the_setting(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        env = environment(tmp_path, taken.getsockname()[1])
        done = subprocess.run(COMMAND, env=env, capture_output=True, text=True, timeout=60)
    assert done.returncode == 2
    assert "COLORLANE_GATEWAY_PORT" in done.stderr
