"""Workers on real Redis, Celery, Git, kubectl and mesh: from a push to releases being deployed, and kills on the way.

No agent runs, so rollouts stay where they wait for their workload: what is tested ends at the platform's door.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from delivery.bootstrap import Colorlane, build
from delivery.environments import EnvironmentState
from delivery.flows.detect_pushes import detect_pushes
from delivery.flows.register_project import register_project
from delivery.settings import Settings
from pipelines.runs import Job, JobState, Run, RunState
from tests.fakes.background import Background, running_mesh, running_redis, wait_for
from tests.fakes.repositories import Workspace

pytestmark = pytest.mark.integration

SPEC = """
entry: page
services:
  page: {build: {command: "%s"}}
"""
MANIFESTS = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: page}
spec:
  selector: {matchLabels: {app: page}}
  template:
    metadata: {labels: {app: page}}
    spec:
      containers:
        - {name: page, image: page, command: [python3, -m, http.server, $(PORT)], ports: [{containerPort: 80}]}
---
apiVersion: v1
kind: Service
metadata: {name: page}
spec: {selector: {app: page}, ports: [{port: 80}]}
"""


@dataclass
class House:
    """Parts of an API-like process, the workers, and a checkout."""

    parts: Colorlane
    work: Workspace
    control: Background
    build: Background
    folder: Path

    def push(self, branch: str, command: str, text: str = "1") -> str:
        files = {
            "colorlane.yaml": SPEC % command,
            "k8s/kustomization.yaml": "resources: [page.yaml]\n",
            "k8s/page.yaml": MANIFESTS,
            "services/page/index.html": text,
        }
        commit = self.work.commit(branch, **files)
        self.work.push(f"HEAD:refs/heads/{branch}")
        return commit

    def run_of(self, revision: str) -> Run | None:
        found = self.parts.store.runs.find(revision=revision, newest_first=True)
        return found[0] if found else None

    def job_of(self, revision: str) -> Job | None:
        run = self.run_of(revision)
        jobs = self.parts.store.jobs.find(run=run.id) if run else []
        return jobs[0] if jobs else None

    def wait_run(self, revision: str, *states: RunState) -> Run:
        def look() -> Run | None:
            run = self.run_of(revision)
            return run if run and run.state in states else None

        return wait_for(f"the run of {revision[:8]} to be {states}", look, 60)

    def wait_job(self, revision: str, *states: JobState) -> Job:
        def look() -> Job | None:
            job = self.job_of(revision)
            return job if job and job.state in states else None

        return wait_for(f"the job of {revision[:8]} to be {states}", look, 60)


def worker(folder: Path, queue: str, settings: Settings) -> Background:
    argv = (sys.executable, "-P", "-m", "delivery", "worker", queue)
    env = {
        "COLORLANE_STATE_DIR": str(settings.state_dir),
        "COLORLANE_REDIS_URL": settings.redis_url,
        "COLORLANE_MESH_URL": settings.mesh_url,
        "COLORLANE_DETECT_INTERVAL": "0.5",
    }
    return Background(folder / f"{queue}.log", *argv, env=env)


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    folder = tmp_path_factory.mktemp("house")
    with running_redis(folder / "broker") as redis_url, running_mesh(folder / "mesh") as mesh_url:
        settings = Settings(state_dir=folder / "state", redis_url=redis_url, mesh_url=mesh_url)
        parts = build(settings)
        register_project(parts, "shop")
        control, builder = worker(folder, "control", settings), worker(folder, "build", settings)
        work = Workspace(folder / "work", str(folder / "state" / "git" / "shop.git"))
        control.start()
        builder.start()
        try:
            yield House(parts, work, control, builder, folder)
        finally:
            control.kill()
            builder.kill()


def test_push_becomes_an_artifact_a_release_and_a_desired_workload(house: House) -> None:
    revision = house.push("main", "cp index.html built.html && echo has built")
    detect_pushes(house.parts, "shop")
    run = house.wait_run(revision, RunState.DEPLOYING, RunState.FAILED)
    assert run.state is RunState.DEPLOYING, run.message
    job = house.wait_job(revision, JobState.SUCCEEDED)
    tree = house.parts.settings.state_dir / "artifacts" / "sha256" / job.artifact.removeprefix("sha256:")
    assert (tree / "built.html").read_text() == "1"
    assert "has built" in (house.parts.settings.state_dir / "logs" / job.log).read_text()
    run = wait_for("its rollout", lambda: run if (run := house.run_of(revision)) and run.rollouts else None)
    release = house.parts.store.releases.get(run.releases["page"])
    assert release.artifact == job.artifact
    image = next(each for each in release.manifests if each["kind"] == "Deployment")
    assert job.artifact in str(image)
    desired = house.parts.settings.state_dir / "platform" / "desired"
    assert wait_for("the desired workload", lambda: list(desired.glob("shop.page.*.json")))


def test_invalid_file_fails_the_run_with_every_problem(house: House) -> None:
    revision = house.work.commit("bad", **{"colorlane.yaml": "services: {page: {biuld: 1}}\nstrategies: 3\n"})
    house.work.push("HEAD:refs/heads/invalid")
    run = house.wait_run(revision, RunState.FAILED)
    assert "biuld" in run.message
    assert "strategies" in run.message


def test_red_build_says_its_last_words(house: House) -> None:
    revision = house.push("red", "echo oh no; exit 3", "red")
    run = house.wait_run(revision, RunState.FAILED)
    assert "status 3" in run.message
    assert "oh no" in run.message


def test_long_build_does_not_delay_control_work(house: House) -> None:
    slow = house.push("slow", f"while [ ! -e {house.folder}/go ]; do sleep 0.1; done", "slow")
    house.wait_job(slow, JobState.RUNNING)
    bad = house.work.commit("bad", **{"colorlane.yaml": "services: 1\n"})
    house.work.push("HEAD:refs/heads/quick")
    house.wait_run(bad, RunState.FAILED)
    job = house.job_of(slow)
    assert job
    assert job.state is JobState.RUNNING
    (house.folder / "go").touch()
    house.wait_run(slow, RunState.DEPLOYING)


def test_newer_push_cancels_the_build_of_the_older(house: House) -> None:
    old = house.push("moving", "sleep 600", "old")
    house.wait_job(old, JobState.RUNNING)
    new = house.push("moving", "true", "new")
    assert house.wait_run(old, RunState.SUPERSEDED).message.startswith("superseded by run")
    house.wait_job(old, JobState.CANCELED)
    house.wait_run(new, RunState.DEPLOYING)


def test_build_whose_worker_is_killed_is_built_by_the_next(house: House) -> None:
    mark = house.folder / "tries"
    revision = house.push("killed", f"echo x >> {mark}; [ $(wc -l < {mark}) -gt 1 ] || sleep 600", "killed")
    wait_for("the first try", mark.exists, 60)
    house.build.kill()
    house.build.start()
    run = house.wait_run(revision, RunState.DEPLOYING, RunState.FAILED)
    assert run.state is RunState.DEPLOYING, run.message
    job = house.job_of(revision)
    assert job
    assert job.attempt == 2


def test_killed_control_worker_goes_on_where_it_was(house: House) -> None:
    house.control.kill()
    revision = house.push("dark", "true", "dark")
    detect_pushes(house.parts, "shop")
    assert house.run_of(revision) is None
    house.control.start()
    house.wait_run(revision, RunState.DEPLOYING)


def test_deleted_branch_ends_its_environment(house: House) -> None:
    revision = house.push("short", "true", "short")
    house.wait_run(revision, RunState.DEPLOYING)
    wait_for("the environment", lambda: house.parts.store.environments.find(branch="short"))
    house.work.push(":refs/heads/short")
    house.wait_run(revision, RunState.CANCELED, RunState.SUPERSEDED)
    active = house.parts.store.environments.find
    wait_for("its end", lambda: not active(branch="short", state=EnvironmentState.ACTIVE))
