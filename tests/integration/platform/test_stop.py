"""An agent that is told to stop ends what it runs, and starts nothing meanwhile."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

import pytest

from delivery.adapters.platform_local.adapter import LocalPlatform
from delivery.adapters.platform_local.agent import Agent, AgentConfig
from delivery.adapters.platform_local.documents import read_status
from delivery.adapters.platform_local.folders import Folders, workload_id
from delivery.adapters.platform_local.records import MARK, ReplicaRecord
from delivery.processes.identity import find_marked
from delivery.workloads import WorkloadKey
from tests.fakes.mesh_api import FakeMesh
from tests.fakes.workloads import workload

pytestmark = pytest.mark.integration


def no_sidecar(_: ReplicaRecord) -> NoReturn:
    """Stand for a sidecar that never starts: this is not about Envoy."""
    raise OSError("no sidecar here")


def processes(state_dir: Path) -> list[int]:
    return [pid for pid, _ in find_marked(MARK, f"{state_dir}:")]


def wait_until_it_runs(state_dir: Path, key: WorkloadKey) -> None:
    """Return when the agent has told that the application runs: then it waits for news."""
    deadline, path = time.monotonic() + 20, Folders(state_dir).status(workload_id(key))
    while time.monotonic() < deadline:
        told = read_status(path)
        if told is not None and any(replica.app_pid for replica in told.replicas):
            return
        time.sleep(0.01)
    raise AssertionError(f"the application did not start: {read_status(path)}")


@pytest.fixture
def state_dir(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path
    for pid in processes(tmp_path):
        os.kill(pid, signal.SIGKILL)


@pytest.mark.parametrize("turns", range(4))
async def test_a_change_in_the_moment_of_the_stop_starts_nothing(state_dir: Path, turns: int) -> None:
    """A crash, a registration or a new document may wake the reconciler just when it is to end.

    `turns` of the event loop lie between the stop and the change.
    """
    spec = workload(state_dir, code="import time; time.sleep(600)")
    with FakeMesh() as mesh:
        LocalPlatform(state_dir).apply(spec)
        agent = Agent(AgentConfig(state_dir, mesh.url, 1, dict(os.environ), bootstrap=no_sidecar))
        stop = asyncio.Event()
        life = asyncio.create_task(agent.run(stop))
        await asyncio.to_thread(wait_until_it_runs, state_dir, spec.key)
        stop.set()
        for _ in range(turns):
            await asyncio.sleep(0)
        agent._wake.set()
        await life
    assert processes(state_dir) == []
