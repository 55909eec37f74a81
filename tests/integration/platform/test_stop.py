"""An agent that is told to stop ends what it runs, and starts nothing meanwhile."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

import pytest

from delivery.adapters.platform_local.adapter import LocalPlatform
from delivery.adapters.platform_local.agent import Agent, AgentConfig
from delivery.adapters.platform_local.records import MARK, ReplicaRecord
from delivery.processes.identity import find_marked
from tests.fakes.mesh_api import FakeMesh
from tests.fakes.workloads import workload

pytestmark = pytest.mark.integration


def no_sidecar(_: ReplicaRecord) -> NoReturn:
    """Stand for a sidecar that never starts: this is not about Envoy."""
    raise OSError("no sidecar here")


def processes(state_dir: Path) -> list[int]:
    return [pid for pid, _ in find_marked(MARK, f"{state_dir}:")]


@pytest.fixture
def state_dir(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path
    for pid in processes(tmp_path):
        os.kill(pid, signal.SIGKILL)


async def test_a_change_in_the_moment_of_the_stop_starts_nothing(state_dir: Path) -> None:
    """A crash, a registration or a new document may wake the reconciler just when it is to end."""
    with FakeMesh() as mesh:
        LocalPlatform(state_dir).apply(workload(state_dir, code="import time; time.sleep(600)"))
        agent = Agent(AgentConfig(state_dir, mesh.url, 1, dict(os.environ), bootstrap=no_sidecar))
        stop = asyncio.Event()
        life = asyncio.create_task(agent.run(stop))
        async with asyncio.timeout(20):
            while not processes(state_dir):
                await asyncio.sleep(0.01)
            stop.set()
            agent._wake.set()
            await life
    assert processes(state_dir) == []
