"""The API around an in-memory world, asked through HTTP as any caller would."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from delivery.api.app import create
from delivery.api.context import Options
from delivery.environments import Environment
from delivery.flows.world import World
from delivery.projects import Project
from delivery.rollouts.model import Analysis, Pause, Phase, Rollout, SetWeight, Strategy
from delivery.ui import mount
from pipelines.runs import Job, JobState, Run, RunState
from tests.fakes.clock import FakeClock
from tests.fakes.forge import FakeForge
from tests.fakes.metrics import FakeMetrics
from tests.fakes.platform import FakePlatform
from tests.fakes.store import FakeStore
from tests.fakes.traffic import FakeTraffic

GITLAB = Path(__file__).parents[3] / "fixtures" / "gitlab"


@dataclass
class House:
    """The world behind the doors, and the ways in."""

    world: World
    store: FakeStore
    clock: FakeClock
    wakes: list[tuple[str, str]] = field(default_factory=list)

    def client(self, **options: Any) -> TestClient:
        """Return a client of an API made with these options."""
        given = {"mesh_url": "http://127.0.0.1:1", "git_root": "nowhere", "version": "1", "poll": 0.01}
        app = create(self.world, Options(**(given | options)))
        mount(app)
        return TestClient(app, base_url="http://localhost", raise_server_exceptions=False)

    def gitlab(self, name: str = "bookshop", secret: str = "s3cret", path: str = "shop/bookshop") -> Project:
        """Register a project of a GitLab."""
        row = Project(
            name, f"{name}.localhost", forge="gitlab", forge_project=path, webhook_secret=secret, token="glpat-hidden"
        )
        return self.store.projects.add(row)

    def run(self, id: str = "bookshop.1", **fields: Any) -> Run:
        """Put a run into the store."""
        number = int(id.rpartition(".")[2])
        base = {"state": RunState.BUILDING, "created_at": self.clock.now(), "reasons": {"reviews": "changed"}}
        return self.store.runs.add(Run(id, "bookshop", "refs/heads/main", "main", "a" * 40, number, **(base | fields)))

    def job(self, run: Run, service: str, text: str = "", state: JobState = JobState.SUCCEEDED) -> Job:
        """Put a job with its log into the store."""
        job = Job(f"{run.id}.{service}", run.id, run.project, service, "key", run.revision, state, log=f"{service}.log")
        (self.world.logs / job.log).write_text(text)
        return self.store.jobs.add(job)

    def environment(self, name: str = "alice", project: str = "bookshop") -> Environment:
        """Put an environment into the store."""
        color = "" if name == "production" else name
        row = Environment(f"{project}/{name}", project, name, color, name, expires_at=self.clock.now() + 60)
        return self.store.environments.add(row)

    def rollout(self, id: str = "r1", **fields: Any) -> Rollout:
        """Put a rollout that waits for an approval into the store."""
        strategy = Strategy(steps=(SetWeight(10), Analysis(60), Pause(None), SetWeight(100)))
        row = {
            "project": "bookshop",
            "environment": "bookshop/production",
            "color": "",
            "service": "reviews",
            "stable": "s" * 12,
            "candidate": "c" * 12,
            "artifact": "sha256:" + "0" * 64,
            "revision": "a" * 40,
            "ref": "refs/heads/main",
            "run": "bookshop.1",
            "strategy": strategy,
            "phase": Phase.PROGRESSING,
            "step": 2,
            "step_started_at": self.clock.now(),
            "weight": 10,
        }
        return self.store.rollouts.add(Rollout(id, **(row | fields)))


@pytest.fixture
def house(tmp_path: Path) -> House:
    store, clock = FakeStore(), FakeClock()
    wakes: list[tuple[str, str]] = []
    world = World(
        store=store,
        platform=FakePlatform(),
        traffic=FakeTraffic(),
        metrics=FakeMetrics(),
        forges={"embedded": FakeForge(), "gitlab": FakeForge()},
        builds=None,  # type: ignore[arg-type]  # no request handler builds anything
        clock=clock,
        wake=lambda task, id: wakes.append((task, id)),
        owner="test",
        logs=tmp_path,
    )
    return House(world, store, clock, wakes)


@pytest.fixture
def client(house: House) -> TestClient:
    return house.client()


@pytest.fixture
def payload() -> Callable[[str], bytes]:
    """Return a GitLab payload by name."""
    return lambda name: (GITLAB / f"{name}.json").read_bytes()
