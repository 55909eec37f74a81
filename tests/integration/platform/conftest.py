"""One platform of real processes and real Envoys for each test, all ended afterwards."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from delivery.adapters.platform_local.adapter import LocalPlatform
from delivery.adapters.platform_local.documents import StatusDocument, read_status
from delivery.adapters.platform_local.folders import Folders, workload_id
from delivery.adapters.platform_local.records import MARK
from delivery.errors import Transient
from delivery.processes.identity import find_marked
from delivery.workloads import Health, WorkloadKey, WorkloadStatus
from tests.fakes.agent_process import AgentProcess
from tests.fakes.mesh_api import FakeMesh


@dataclass
class Rig:
    """The platform under test and ways to look at it."""

    state_dir: Path
    platform: LocalPlatform
    agent: AgentProcess
    mesh: FakeMesh

    def until(self, condition: Callable[[], Any], what: str, seconds: float = 20.0) -> Any:
        """Return the first true value of the condition; fail with the agent's log after `seconds`."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            with contextlib.suppress(Transient):
                if value := condition():
                    return value
            time.sleep(0.01)
        raise AssertionError(f"{what} did not happen in {seconds} s\n{self.agent.log.read_text()[-4000:]}")

    def until_health(self, key: WorkloadKey, health: Health, seconds: float = 20.0) -> WorkloadStatus:
        """Wait for a health and return the reading."""

        def reached() -> WorkloadStatus | None:
            status = self.platform.status(key)
            return status if status.health is health else None

        return self.until(reached, f"{workload_id(key)} {health}", seconds)

    def document(self, key: WorkloadKey) -> StatusDocument:
        """Return the status document with the replicas."""
        found = read_status(Folders(self.state_dir).status(workload_id(key)))
        assert found is not None
        return found

    def processes(self) -> list[int]:
        """Return the pids of all applications and sidecars of this platform."""
        return [pid for pid, _ in find_marked(MARK, f"{self.state_dir}:")]


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    """A running agent on an empty state directory, with a fake mesh."""
    with FakeMesh() as mesh:
        agent = AgentProcess(tmp_path, mesh.url)
        rig = Rig(tmp_path, LocalPlatform(tmp_path), agent, mesh)
        agent.start()
        try:
            rig.until(Folders(tmp_path).agent.exists, "start of the agent")
            yield rig
        finally:
            agent.stop()
            left = rig.processes()
            for pid in left:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            assert not left, "the agent left processes behind"
