"""The sides of the Platform port that its contracts hold for: in memory, local processes; Kubernetes has its own."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from delivery.adapters.platform_local import LocalPlatform
from delivery.adapters.platform_local.folders import Folders
from delivery.ports.platform import Platform
from delivery.workloads import Health, WorkloadKey, WorkloadSpec, WorkloadStatus
from tests.fakes.agent_process import AgentProcess
from tests.fakes.mesh_api import FakeMesh
from tests.fakes.platform import FakePlatform
from tests.fakes.workloads import workload


@dataclass
class Side:
    """One side of the port, a maker of workloads it can run, and a way to make it go away."""

    platform: Platform
    state_dir: Path
    leave: Callable[[], None]

    def spec(self, **more: object) -> WorkloadSpec:
        return workload(self.state_dir, **more)

    def until(self, key: WorkloadKey, health: Health) -> WorkloadStatus:
        deadline = time.monotonic() + 20
        while (status := self.platform.status(key)).health is not health:
            assert time.monotonic() < deadline, status
            time.sleep(0.01)
        return status


@contextmanager
def opened(name: str, state_dir: Path) -> Iterator[Side]:
    """Open the side `memory` or `local`."""
    if name == "memory":
        memory = FakePlatform()
        memory.refuse.add("bad")
        yield Side(memory, state_dir, lambda: setattr(memory, "away", True))
        return
    with FakeMesh() as mesh:
        agent = AgentProcess(state_dir, mesh.url)
        agent.start()
        deadline = time.monotonic() + 20
        while not Folders(state_dir).agent.exists():
            assert time.monotonic() < deadline, "the agent did not start"
            time.sleep(0.01)
        yield Side(LocalPlatform(state_dir), state_dir, agent.stop)
        agent.stop()
