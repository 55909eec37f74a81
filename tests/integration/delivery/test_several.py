"""Two APIs, two control workers and two build workers on one database: nothing is done twice, whoever is killed.

On SQLite, and on PostgreSQL when COLORLANE_TEST_POSTGRES_URL is set. No agent runs: runs end at the platform's door.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from sqlalchemy import text

from delivery.bootstrap import Colorlane, build
from delivery.flows.register_project import register_project
from delivery.settings import Settings
from pipelines.runs import Job, JobState, Run, RunState
from tests.fakes.background import Background, free_port, running_mesh, running_redis, wait_for
from tests.fakes.repositories import Workspace
from tests.integration.delivery.test_workers import MANIFESTS, SPEC

pytestmark = pytest.mark.integration

POSTGRES = os.environ.get("COLORLANE_TEST_POSTGRES_URL", "")
ROLES = ("api", "worker control", "worker build")


@dataclass
class Town:
    """Every process twice, as pods of a cluster are: the same state, no process of the other's in sight."""

    parts: Colorlane
    folder: Path
    processes: dict[str, Background]
    apis: list[str]

    def workspace(self, name: str, api: int) -> Workspace:
        """A checkout that pushes to one of the APIs."""
        return Workspace(self.folder / name, f"{self.apis[api]}/git/shop.git")

    def push(self, work: Workspace, branch: str, command: str) -> str:
        commit = work.commit(
            branch,
            **{
                "colorlane.yaml": SPEC % command,
                "k8s/kustomization.yaml": "resources: [page.yaml]\n",
                "k8s/page.yaml": MANIFESTS,
                "services/page/index.html": branch,
            },
        )
        work.push(f"HEAD:refs/heads/{branch}")
        return commit

    def wait_run(self, revision: str, *states: RunState) -> Run:
        def look() -> Run | None:
            found = self.parts.store.runs.find(revision=revision)
            assert len(found) < 2, "one push, two runs"
            return found[0] if found and found[0].state in states else None

        return wait_for(f"the run of {revision[:8]} to be {states}", look, 90)

    def assert_works(self, name: str, api: int) -> None:
        """A push becomes a deployment, once."""
        work = self.workspace(name, api)
        run = self.wait_run(self.push(work, name, "true"), RunState.DEPLOYING)
        assert self.said(f"run/{run.id}")["run.queued"] == 1

    def said(self, subject: str) -> Counter[str]:
        """How often each kind of event was recorded about a subject."""
        return Counter(event.kind for event in self.parts.store.events(subject=subject))


def database(folder: Path, kind: str) -> str:
    if kind == "sqlite":
        return f"sqlite:///{folder / 'colorlane.db'}"
    if not POSTGRES:
        pytest.skip("COLORLANE_TEST_POSTGRES_URL is not set")
    from delivery.adapters.store_sql.engine import connect

    engine = connect(POSTGRES)
    with engine.begin() as connection:
        connection.execute(text("DROP SCHEMA public CASCADE"))
        connection.execute(text("CREATE SCHEMA public"))
    engine.dispose()
    return POSTGRES


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def town(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    folder = tmp_path_factory.mktemp("town")
    url = database(folder, request.param)
    with running_redis(folder / "broker") as redis_url, running_mesh(folder / "mesh") as mesh_url:
        settings = Settings(state_dir=folder / "state", redis_url=redis_url, mesh_url=mesh_url, database_url=url)
        parts = build(settings)
        register_project(parts, "shop")
        ports = [free_port(), free_port()]
        processes = {
            f"{role} {number}": process(folder, role, number, settings, ports[number])
            for role in ROLES
            for number in (0, 1)
        }
        try:
            for each in processes.values():
                each.start()
            apis = [f"http://127.0.0.1:{port}" for port in ports]
            for api in apis:
                wait_for(f"{api}", lambda api=api: is_ready(api), 60)
            yield Town(parts, folder, processes, apis)
        finally:
            for each in processes.values():
                each.kill()
            parts.store.close()


def process(folder: Path, role: str, number: int, settings: Settings, port: int) -> Background:
    env = {
        "COLORLANE_STATE_DIR": str(settings.state_dir),
        "COLORLANE_REDIS_URL": settings.redis_url,
        "COLORLANE_MESH_URL": settings.mesh_url,
        "COLORLANE_DATABASE_URL": settings.database_url,
        "COLORLANE_API_PORT": str(port),
        "COLORLANE_DETECT_INTERVAL": "0.5",
        "COLORLANE_JOB_LEASE": "3",
        "COLORLANE_OWNER": f"{role.replace(' ', '-')}-{number}",  # pods do not see each other's processes
    }
    argv = (sys.executable, "-P", "-m", "delivery", *role.split())
    return Background(folder / f"{role} {number}.log", *argv, env=env)


def is_ready(api: str) -> bool:
    with contextlib.suppress(httpx.TransportError):
        return httpx.get(f"{api}/readyz", trust_env=False).status_code == 200
    return False


def test_a_push_to_either_api_is_one_run_and_one_build(town: Town) -> None:
    for api in (0, 1):
        mark = town.folder / f"built-{api}"
        work = town.workspace(f"work-{api}", api)
        revision = town.push(work, f"branch-{api}", f"echo x >> {mark}")
        run = town.wait_run(revision, RunState.DEPLOYING)
        assert mark.read_text() == "x\n"
        said = town.said(f"run/{run.id}")
        assert said["run.queued"] == 1, said
        assert len(town.parts.store.jobs.find(run=run.id)) == 1
        wait_for("its rollout", lambda run=run: town.parts.store.runs.get(run.id).rollouts)
        assert len(town.parts.store.rollouts.find(run=run.id)) <= 1
        seen = [httpx.get(f"{url}/api/v1/runs/{run.id}", trust_env=False).json()["revision"] for url in town.apis]
        assert seen == [revision, revision]


def test_pushes_to_both_apis_at_once_are_all_seen_once(town: Town) -> None:
    works = [town.workspace(f"crowd-{number}", number % 2) for number in range(6)]
    revisions: dict[int, str] = {}

    def push(number: int) -> None:
        revisions[number] = town.push(works[number], f"crowd-{number}", f"echo {number}")

    threads = [threading.Thread(target=push, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    runs = [town.wait_run(revision, RunState.DEPLOYING, RunState.SUCCEEDED) for revision in revisions.values()]
    assert len({run.id for run in runs}) == 6
    assert all(town.said(f"run/{run.id}")["run.queued"] == 1 for run in runs)


def test_a_build_whose_worker_dies_is_built_by_the_other(town: Town) -> None:
    mark, pid = town.folder / "tries", town.folder / "pid"
    work = town.workspace("killed", 0)
    script = f"echo x >> {mark}; echo $PPID > {pid}; [ $(wc -l < {mark}) -gt 1 ] || sleep 600"
    revision = town.push(work, "killed", script)
    wait_for("the first try", mark.exists, 60)
    owner = wait_for("its owner", lambda: job.owner if (job := only_job(town, revision)) else "", 30)
    victim = town.processes["worker build 0" if owner.startswith("worker-build-0/") else "worker build 1"]
    victim.kill()
    town.wait_run(revision, RunState.DEPLOYING)
    job = only_job(town, revision)
    assert job
    assert (job.state, job.attempt) == (JobState.SUCCEEDED, 2)
    assert not job.owner.startswith(owner.partition("/")[0]), "the other one did it"
    victim.start()


def test_when_the_sweeping_worker_dies_or_hangs_the_other_sweeps(town: Town) -> None:
    first, second = town.processes["worker control 0"], town.processes["worker control 1"]
    first.kill()
    town.assert_works("dark", 0)
    first.start()
    if town.parts.settings.database_url.startswith("sqlite"):
        return  # one that hangs may hold SQLite's only lock, and nobody takes it away
    assert second.process
    second.process.send_signal(signal.SIGSTOP)
    try:
        town.assert_works("frozen", 1)
    finally:
        second.process.send_signal(signal.SIGCONT)


def test_a_process_that_hangs_in_a_transaction_loses_its_locks(town: Town) -> None:
    if town.parts.settings.database_url.startswith("sqlite"):
        pytest.skip("SQLite's lock is the process's own")
    from delivery.adapters.store_sql.engine import connect

    engine = connect(town.parts.settings.database_url)
    with engine.connect() as frozen:
        frozen.execute(text("LOCK TABLE runs, leases, deliveries IN ACCESS EXCLUSIVE MODE"))
        town.assert_works("locked", 0)
        frozen.invalidate()
    engine.dispose()


def test_a_restarted_worker_takes_over_at_once_what_it_held_itself(town: Town) -> None:
    mark = town.folder / "tries-again"
    work = town.workspace("again", 1)
    other = town.processes["worker build 1"]
    other.kill()
    revision = town.push(work, "again", f"echo x >> {mark}; [ $(wc -l < {mark}) -gt 1 ] || sleep 600")
    wait_for("the first try", mark.exists, 60)
    mine = town.processes["worker build 0"]
    mine.kill()
    mine.start()
    town.wait_run(revision, RunState.DEPLOYING)
    other.start()


def only_job(town: Town, revision: str) -> Job | None:
    found = town.parts.store.runs.find(revision=revision)
    jobs = town.parts.store.jobs.find(run=found[0].id) if found else []
    return jobs[0] if jobs else None
