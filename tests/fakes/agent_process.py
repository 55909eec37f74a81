"""A real platform agent as a process of its own, for tests that kill it. Run: `python -m tests.fakes.agent_process`.

Arguments: state directory, URL of the mesh's HTTP API. Sidecars are real Envoys with a static bootstrap.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

from delivery.adapters.platform_local.agent import AgentConfig, run_agent
from tests.fakes.static_sidecar import static_bootstrap

ROOT = Path(__file__).resolve().parents[2]


class AgentProcess:
    """Starts, kills and stops the agent of one state directory."""

    def __init__(self, state_dir: Path, mesh_url: str) -> None:
        self.state_dir, self.mesh_url = state_dir, mesh_url
        self.log = state_dir / "agent.log"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it."""
        argv = [sys.executable, "-m", "tests.fakes.agent_process", str(self.state_dir), self.mesh_url]
        env = {**os.environ, "COLORLANE_API_TOKEN": "never-for-applications"}
        with open(self.log, "ab") as log:
            self._process = subprocess.Popen(argv, cwd=ROOT, env=env, stdout=log, stderr=log)

    def kill(self) -> None:
        """SIGKILL it."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """SIGTERM it and wait."""
        self._end(signal.SIGTERM)

    def _end(self, number: int) -> None:
        if self._process is not None:
            self._process.send_signal(number)
            self._process.wait(timeout=30)
            self._process = None


if __name__ == "__main__":
    config = AgentConfig(Path(sys.argv[1]), sys.argv[2], xds_port=1, environ=dict(os.environ))
    run_agent(replace(config, bootstrap=static_bootstrap, withdraw_deadline=3.0))
