"""Failed build: red, invalid, canceled or without a worker, it ends its run and nothing else."""

from __future__ import annotations

import pytest

from delivery.errors import Conflict
from delivery.flows.detect_pushes import detect_pushes
from delivery.flows.execute_job import execute_job
from delivery.flows.operate_run import cancel_run
from delivery.ports.forge import CommitState
from pipelines.runs import JobState, RunState
from tests.fakes.shop import run_of, stable
from tests.fakes.world import FakeWorld


def die() -> None:
    raise KeyboardInterrupt


def test_red_build_ends_the_run_and_changes_nothing(shop: FakeWorld) -> None:
    before = stable(shop)
    shop.forge.push("main", "c2", reviews="red")
    shop.settle(3)
    run = run_of(shop, "c2")
    assert (run.state, run.message) == (RunState.FAILED, "reviews: exit status 1")
    assert stable(shop) == before


def test_invalid_file_fails_the_run_with_the_problem(shop: FakeWorld) -> None:
    shop.forge.push("alice", "c2", reviews="invalid")
    shop.settle(2)
    assert run_of(shop, "c2").state is RunState.FAILED
    assert "colorlane.yaml:3" in run_of(shop, "c2").message
    assert shop.forge.told[-1][2] is CommitState.FAILED


def test_running_build_stops_when_its_run_is_canceled(shop: FakeWorld) -> None:
    def cancel() -> None:
        shop.clock.pass_(1)
        cancel_run(shop.world, run_of(shop, "c2").id, "bob")

    shop.builds.during = cancel
    shop.forge.push("alice", "c2", reviews="2")
    shop.settle(3)
    assert run_of(shop, "c2").state is RunState.CANCELED
    assert shop.store.jobs.find(run=run_of(shop, "c2").id)[0].state is JobState.CANCELED
    with pytest.raises(Conflict, match="has ended"):
        cancel_run(shop.world, run_of(shop, "c2").id, "bob")


def test_job_whose_worker_died_is_taken_over_a_bounded_number_of_times(shop: FakeWorld) -> None:
    shop.forge.push("alice", "c2", reviews="2")
    shop.builds.during = die
    shop.queue.clear()
    detect_pushes(shop.world, "shop")
    shop.step(*shop.queue.popleft())
    shop.step("advance_run", run_of(shop, "c2").id)
    job = shop.store.jobs.find(run=run_of(shop, "c2").id)[0]
    for attempt in range(3):
        with pytest.raises(KeyboardInterrupt):
            execute_job(shop.world, job.id)
        assert shop.store.jobs.get(job.id).attempt == attempt + 1
        execute_job(shop.world, job.id)  # the lease still runs: nobody takes it
        assert shop.store.jobs.get(job.id).attempt == attempt + 1
        shop.clock.pass_(30)
    shop.settle(2)
    assert shop.store.jobs.get(job.id).state is JobState.FAILED
    assert run_of(shop, "c2").state is RunState.FAILED
