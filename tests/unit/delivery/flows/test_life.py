"""The whole life of a change, in memory: push, build, preview, canary, approval, rollback, deletion."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
import structlog

from delivery.deliveries import DeliveryState, Push
from delivery.environments import EnvironmentState
from delivery.errors import Conflict, NotFound, Rejected
from delivery.flows.detect_pushes import detect_pushes
from delivery.flows.execute_job import execute_job
from delivery.flows.operate_environment import delete_environment, extend_environment
from delivery.flows.operate_rollout import approve_rollout, operate_rollout
from delivery.flows.operate_run import cancel_run, retry_run
from delivery.flows.pushes import body_of
from delivery.flows.receive_delivery import receive_delivery, replay_delivery
from delivery.flows.register_project import register_project
from delivery.flows.remove_project import remove_project
from delivery.ports.forge import CommitState
from delivery.releases import release_version
from delivery.rollouts.model import TERMINAL, Analysis, Pause, Phase, Rollout, SetWeight, Strategy
from delivery.workloads import Health
from pipelines.runs import JobState, Run, RunState
from tests.fakes.world import FakeWorld

CANARY = Strategy(steps=(SetWeight(10), Analysis(300.0), Pause(None), SetWeight(50), Pause(2.0), SetWeight(100)))


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    with structlog.testing.capture_logs():
        yield


@pytest.fixture
def shop() -> FakeWorld:
    """A project whose first release runs."""
    shop = FakeWorld()
    shop.forge.push("main", "c1", page="1", reviews="1")
    shop.settle(5)
    return shop


def canary_shop() -> FakeWorld:
    shop = FakeWorld(CANARY)
    shop.forge.push("main", "c1", page="1", reviews="1")
    shop.settle(5)
    return shop


def run_of(shop: FakeWorld, revision: str) -> Run:
    return shop.store.runs.find(revision=revision, newest_first=True)[0]


def rollout_of(shop: FakeWorld, revision: str) -> Rollout:
    return shop.store.rollouts.find(revision=revision, newest_first=True)[0]


def stable(shop: FakeWorld, service: str = "reviews", environment: str = "shop/production") -> str:
    return shop.store.environments.get(environment).workloads[service]


def serve(shop: FakeWorld, rollout: Rollout, errors: float, rounds: int) -> None:
    """Let both versions answer 50 requests in each half second, for so long or until the rollout has ended."""
    for _ in range(rounds):
        if shop.store.rollouts.get(rollout.id).phase in TERMINAL:
            shop.settle(1)  # its run ends after it
            return
        lane = (rollout.project, rollout.service, rollout.color)
        shop.metrics.add(lane, rollout.stable, 50, 0)
        shop.metrics.add(lane, rollout.candidate, 50, round(50 * errors))
        shop.settle(0.5)


def die() -> None:
    raise KeyboardInterrupt


def test_first_push_to_main_deploys_everything(shop: FakeWorld) -> None:
    assert run_of(shop, "c1").state is RunState.SUCCEEDED
    assert sorted(shop.builds.built) == ["page", "reviews"]
    assert shop.traffic.projects["shop"] == ("shop.localhost", "page", 9080)
    assert shop.forge.told[-1][1:3] == ("colorlane", CommitState.SUCCESS)


def test_branch_gets_an_environment_with_only_its_changes(shop: FakeWorld) -> None:
    shop.forge.push("alice", "c2", reviews="2")
    shop.settle(5)
    environment = shop.store.environments.get("shop/alice")
    assert list(environment.workloads) == ["reviews"]
    assert environment.url == "http://alice.shop.localhost:8080/"
    assert shop.builds.built == ["page", "reviews", "reviews"]
    assert shop.traffic.environments["shop", "alice"] == ("", "fallback")
    assert shop.traffic.intents["shop", "reviews", "alice"].weights == {environment.workloads["reviews"]: 100}


def test_service_that_equals_the_base_again_is_withdrawn(shop: FakeWorld) -> None:
    shop.forge.push("alice", "c2", reviews="2", page="2")
    shop.settle(5)
    shop.forge.push("alice", "c3", reviews="1")
    shop.settle(5)
    assert list(shop.store.environments.get("shop/alice").workloads) == ["page"]
    assert ("shop", "reviews", "alice") not in shop.traffic.intents
    assert not [key for key in shop.platform.specs if key.service == "reviews" and key.color == "alice"]


def test_deleted_branch_leaves_nothing_and_says_so_only_then(shop: FakeWorld) -> None:
    shop.platform.slow_to_stop = True
    shop.forge.push("alice", "c2", reviews="2")
    shop.settle(5)
    del shop.forge.branches["alice"]
    shop.settle(5)
    assert shop.store.environments.get("shop/alice").state is EnvironmentState.DELETING
    assert ("shop", "reviews", "alice") not in shop.traffic.intents, "routes go before processes"
    shop.platform.stop_all()
    shop.settle(2)
    with pytest.raises(NotFound):
        shop.store.environments.get("shop/alice")
    assert ("shop", "alice") not in shop.traffic.environments
    assert shop.builds.artifacts == {"sha256:key-page-1", "sha256:key-reviews-1"}
    gone = shop.store.events(subject="environment/shop/alice", newest_first=True)[0]
    assert gone.text == "alice is gone: 0 processes, 0 routes, 0 files left"


def test_branch_that_comes_back_while_its_environment_goes_gets_a_new_one(shop: FakeWorld) -> None:
    shop.platform.slow_to_stop = True
    shop.forge.push("alice", "c2", reviews="2")
    shop.settle(5)
    del shop.forge.branches["alice"]
    shop.settle(2)
    shop.forge.push("alice", "c3", reviews="3")
    shop.settle(2)
    assert run_of(shop, "c3").state is RunState.DEPLOYING
    shop.platform.stop_all()
    shop.settle(6)
    assert run_of(shop, "c3").state is RunState.SUCCEEDED
    assert shop.store.environments.get("shop/alice").state is EnvironmentState.ACTIVE


def test_environment_ends_with_its_lease_and_lives_on_when_extended(shop: FakeWorld) -> None:
    shop.forge.push("alice", "c2", reviews="2")
    shop.settle(5)
    extend_environment(shop.world, "shop/alice", 7200.0, "alice")
    shop.clock.pass_(3700)
    shop.settle(2)
    assert shop.store.environments.get("shop/alice").state is EnvironmentState.ACTIVE
    shop.clock.pass_(3600)
    shop.settle(2)
    assert not shop.store.environments.find(color="alice")


def test_production_cannot_be_deleted(shop: FakeWorld) -> None:
    with pytest.raises(Rejected, match="baseline"):
        delete_environment(shop.world, "shop/production", "mallory")


def test_good_canary_waits_for_approval_and_is_promoted_by_digest() -> None:
    shop = canary_shop()
    old = stable(shop)
    shop.forge.push("main", "c2", reviews="2")
    shop.settle(3)
    rollout = rollout_of(shop, "c2")
    assert (rollout.phase, rollout.weight) == (Phase.PROGRESSING, 10)
    serve(shop, rollout, 0.0, 400)
    rollout = rollout_of(shop, "c2")
    assert rollout.step == 2, rollout
    with pytest.raises(Conflict, match="the approval is for revision"):
        approve_rollout(shop.world, rollout.id, "bob", True, revision="c1")
    approve_rollout(shop.world, rollout.id, "bob", True, revision="c2", step=2)
    with pytest.raises(Conflict, match="bob already"):
        approve_rollout(shop.world, rollout.id, "eve", True)
    serve(shop, rollout, 0.0, 40)
    assert rollout_of(shop, "c2").phase is Phase.PROMOTED
    assert stable(shop) == rollout.candidate != old
    assert run_of(shop, "c2").state is RunState.SUCCEEDED
    assert [key.version for key in shop.platform.specs if key.service == "reviews"] == [rollout.candidate]


def test_bad_canary_is_rolled_back_quarantined_and_reported() -> None:
    shop = canary_shop()
    old = stable(shop)
    shop.forge.push("main", "c2", reviews="2")
    shop.settle(3)
    serve(shop, rollout_of(shop, "c2"), 0.3, 400)
    rollout = rollout_of(shop, "c2")
    assert rollout.phase is Phase.ROLLED_BACK
    assert stable(shop) == old
    assert shop.traffic.intents["shop", "reviews", ""].weights == {old: 100}
    run = run_of(shop, "c2")
    assert run.state is RunState.FAILED
    assert "reviews" in run.message
    told = {(name, state) for revision, name, state, _ in shop.forge.told if revision == "c2"}
    assert {("colorlane", CommitState.FAILED), ("colorlane/production/reviews", CommitState.FAILED)} <= told
    again = retry_run(shop.world, run.id, "bob")
    shop.settle(3)
    again = shop.store.runs.get(again.id)
    assert again.state is RunState.FAILED
    assert "quarantined" in again.message
    retried = operate_rollout(shop.world, rollout.id, "retry", "bob")
    shop.settle(3)
    assert shop.store.rollouts.get(retried.id).phase is Phase.PROGRESSING
    assert not shop.store.releases.get(f"shop/reviews/{rollout.candidate}").quarantined


def test_newer_push_supersedes_a_canary_and_takes_its_turn_after_it() -> None:
    shop = canary_shop()
    old = stable(shop)
    shop.forge.push("main", "c2", reviews="2")
    shop.settle(3)
    shop.forge.push("main", "c3", reviews="3")
    shop.settle(6)
    assert rollout_of(shop, "c2").phase is Phase.SUPERSEDED
    assert run_of(shop, "c2").state is RunState.SUPERSEDED
    newer = rollout_of(shop, "c3")
    assert (newer.phase, newer.stable) == (Phase.PROGRESSING, old)


def test_candidate_that_never_gets_ready_is_rolled_back_with_the_reason(shop: FakeWorld) -> None:
    digest = "sha256:key-reviews-2"
    version = release_version(digest, shop.builds.manifests("reviews", digest))
    shop.platform.health[version] = (Health.FAILING, "exits with status 3")
    shop.forge.push("main", "c2", reviews="2")
    shop.settle(140, every=1.0)
    assert rollout_of(shop, "c2").phase is Phase.ROLLED_BACK
    assert "exits with status 3" in run_of(shop, "c2").message


def test_manifest_the_platform_refuses_rolls_back_at_once(shop: FakeWorld) -> None:
    shop.platform.refuse.add("reviews")
    shop.forge.push("main", "c2", reviews="2")
    shop.settle(4)
    assert rollout_of(shop, "c2").phase is Phase.ROLLED_BACK
    assert "bad manifest" in run_of(shop, "c2").message


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


def test_newer_push_supersedes_a_run_that_has_not_deployed(shop: FakeWorld) -> None:
    shop.forge.push("alice", "c2", reviews="2")
    shop.queue.clear()
    detect_pushes(shop.world, "shop")
    shop.step(*shop.queue.popleft())  # the delivery becomes a run
    shop.step("advance_run", run_of(shop, "c2").id)  # planned, not built
    shop.queue.clear()
    shop.forge.push("alice", "c3", reviews="3")
    shop.settle(5)
    assert run_of(shop, "c2").state is RunState.SUPERSEDED
    assert shop.store.jobs.find(run=run_of(shop, "c2").id)[0].state is JobState.CANCELED
    assert run_of(shop, "c3").state is RunState.SUCCEEDED


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


def test_host_is_told_each_passing_state_once(shop: FakeWorld) -> None:
    """A run is told as running while it builds and while it deploys; GitLab answers the second with an error."""
    shop.forge.push("main", "c2", reviews="2")
    shop.settle(5)
    told = [state for revision, name, state, _ in shop.forge.told if (revision, name) == ("c2", "colorlane")]
    assert len(set(told)) == len(told)
    assert told[-1] is CommitState.SUCCESS


def test_host_that_goes_away_after_the_push_delays_feedback_and_nothing_else(shop: FakeWorld) -> None:
    def leave() -> None:
        shop.forge.away = True

    shop.builds.during = leave
    shop.forge.push("main", "c2", reviews="2")
    shop.settle(5)
    assert run_of(shop, "c2").state is RunState.SUCCEEDED
    assert stable(shop) == rollout_of(shop, "c2").candidate
    assert CommitState.SUCCESS not in [state for revision, _, state, _ in shop.forge.told if revision == "c2"]
    shop.forge.away = False
    shop.settle(10)
    assert [t for t in shop.forge.told if t[:2] == ("c2", "colorlane")][-1][2] is CommitState.SUCCESS


def test_delivery_says_what_it_waits_for(shop: FakeWorld) -> None:
    shop.forge.away = True
    told = receive_delivery(shop.world, "shop", "gitlab", "k", "push", body_of(Push("refs/heads/new", "", "c2")))
    shop.settle(1)
    row = shop.store.deliveries.get(told.id)
    assert (row.state, row.outcome) == (DeliveryState.RECEIVED, "waits: the host is away")
    shop.forge.away = False
    shop.forge.push("new", "c2", reviews="2")
    shop.settle(1)
    assert shop.store.deliveries.get(told.id).outcome == "run 2"


def test_overtaken_run_is_noticed_while_the_host_is_away(shop: FakeWorld) -> None:
    def push_and_leave() -> None:
        if "c3" not in shop.forge.commits:
            shop.forge.push("main", "c3", reviews="3")
            detect_pushes(shop.world, "shop")
            shop.settle(1)
        shop.forge.away = True

    shop.builds.during = push_and_leave
    shop.forge.push("main", "c2", reviews="2")
    shop.settle(8)
    assert run_of(shop, "c2").state is RunState.SUPERSEDED
    assert run_of(shop, "c3").state is RunState.SUCCEEDED
    assert stable(shop) == rollout_of(shop, "c3").candidate


def test_messages_out_of_order_never_undo_what_is_newer(shop: FakeWorld) -> None:
    """A forced push told before the one it replaced; a deletion told before the push it ends."""
    shop.forge.push("alice", "c2", reviews="2")
    shop.settle(5)
    shop.forge.push("alice", "c3", reviews="3")
    shop.forge.branches["alice"] = "c1"
    shop.forge.push("alice", "c4", reviews="4")
    shop.settle(5)
    late = body_of(Push("refs/heads/alice", "c2", "c3"))
    first = receive_delivery(shop.world, "shop", "gitlab", "late", "push", late)
    shop.settle(2)
    assert "overtaken" in shop.store.deliveries.get(first.id).outcome
    assert not shop.store.runs.find(revision="c3")
    del shop.forge.branches["alice"]
    shop.settle(5)
    created = body_of(Push("refs/heads/alice", "", "c2"))
    second = receive_delivery(shop.world, "shop", "gitlab", "later", "push", created)
    shop.settle(2)
    assert "gone" in shop.store.deliveries.get(second.id).outcome
    assert not shop.store.environments.find(color="alice")


def test_equal_content_is_built_once(shop: FakeWorld) -> None:
    shop.forge.push("alice", "c2", reviews="2")
    shop.forge.push("bob", "c3", reviews="2")
    shop.settle(6)
    assert shop.builds.built.count("reviews") == 2  # the first release, and one for both branches


def test_skip_marker_skips_pushes_but_never_deletions(shop: FakeWorld) -> None:
    shop.forge.push("alice", "c2", message="wip [skip ci]", reviews="2")
    shop.settle(2)
    assert not shop.store.runs.find(revision="c2")
    shop.forge.push("alice", "c3", reviews="3")
    shop.settle(5)
    shop.forge.push("alice", "c4", message="bye [ci skip]", reviews="4")
    shop.settle(2)
    del shop.forge.branches["alice"]
    shop.settle(2)
    assert not shop.store.environments.find(color="alice")


def test_branch_no_environment_takes_is_a_green_run_that_says_so(shop: FakeWorld) -> None:
    shop.forge.push("wip/x", "c2", reviews="2")
    shop.settle(2)
    assert run_of(shop, "c2").state is RunState.SUCCEEDED
    assert "no environment takes" in run_of(shop, "c2").message


def test_repeated_delivery_is_answered_like_the_first(shop: FakeWorld) -> None:
    shop.forge.push("alice", "c2", reviews="2")
    body = body_of(Push("refs/heads/alice", "", "c2"))
    first = receive_delivery(shop.world, "shop", "gitlab", "event-1", "push", body)
    shop.settle(5)
    second = receive_delivery(shop.world, "shop", "gitlab", "event-1", "push", body)
    assert second.id == first.id
    assert second.outcome == "run 2"
    assert len(shop.store.runs.find(revision="c2")) == 1
    replay_delivery(shop.world, first.id)
    shop.settle(2)
    assert shop.store.deliveries.get(first.id).state is DeliveryState.IGNORED
    assert len(shop.store.runs.find(revision="c2")) == 1


def test_late_push_event_of_an_older_commit_is_ignored(shop: FakeWorld) -> None:
    shop.forge.push("alice", "c2", reviews="2")
    shop.forge.push("alice", "c3", reviews="3")
    shop.settle(5)
    late = receive_delivery(shop.world, "shop", "gitlab", "late", "push", body_of(Push("refs/heads/alice", "x", "c2")))
    shop.settle(1)
    assert "overtaken" in shop.store.deliveries.get(late.id).outcome
    assert not shop.store.runs.find(revision="c2")


def test_retry_of_an_old_run_never_goes_over_a_newer_deployment(shop: FakeWorld) -> None:
    shop.forge.push("main", "c2", reviews="2")
    shop.settle(5)
    new = stable(shop)
    old = retry_run(shop.world, run_of(shop, "c1").id, "bob")
    shop.settle(5)
    assert shop.store.runs.get(old.id).state is RunState.SUPERSEDED
    assert stable(shop) == new


def test_force_push_back_is_no_late_event(shop: FakeWorld) -> None:
    shop.forge.push("main", "c2", reviews="2")
    shop.settle(5)
    shop.forge.branches["main"] = "c1"
    shop.settle(5)
    assert run_of(shop, "c1").number == 3
    assert run_of(shop, "c1").state is RunState.SUCCEEDED
    assert stable(shop) == shop.store.releases.find(service="reviews", run="shop.1")[0].version


def test_statuses_wait_for_a_host_that_is_away_and_only_the_newest_is_sent(shop: FakeWorld) -> None:
    shop.forge.push("alice", "c2", reviews="2")
    told = len(shop.forge.told)
    for _ in range(3):
        shop.round()
        shop.forge.away = True
    assert len(shop.forge.told) >= told
    shop.settle(10)
    shop.forge.away = False
    shop.settle(60)
    assert not shop.store.statuses.find(sent_at=None)
    assert [state for revision, name, state, _ in shop.forge.told if (revision, name) == ("c2", "colorlane")][-1] == (
        CommitState.SUCCESS
    )


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


def test_mesh_that_is_away_delays_and_changes_nothing() -> None:
    shop = canary_shop()
    shop.forge.push("main", "c2", reviews="2")
    shop.settle(3)
    shop.traffic.away = True
    shop.settle(5)
    rollout = rollout_of(shop, "c2")
    assert (rollout.phase, rollout.weight) == (Phase.PROGRESSING, 10)
    shop.traffic.away = False
    serve(shop, rollout, 0.3, 400)
    assert rollout_of(shop, "c2").phase is Phase.ROLLED_BACK


def test_project_is_removed_with_all_it_has(shop: FakeWorld) -> None:
    shop.forge.push("alice", "c2", reviews="2")
    shop.settle(5)
    remove_project(shop.world, "shop", "bob")
    shop.settle(5)
    assert not shop.store.projects.find()
    assert not shop.store.environments.find()
    assert not shop.platform.specs
    assert not shop.traffic.intents
    assert not shop.traffic.projects


def test_project_that_is_registered_again_starts_anew(shop: FakeWorld) -> None:
    remove_project(shop.world, "shop", "bob")
    shop.settle(5)
    assert not shop.store.projects.find()
    register_project(shop.world, "shop")
    shop.forge.branches["main"] = "c1"
    shop.settle(5)
    assert [run.revision for run in shop.store.runs.find(state=RunState.SUCCEEDED)] == ["c1", "c1"]
    assert shop.platform.specs


@pytest.mark.parametrize("name", ["", "Shop", "a--b", "-a", "a-", "x" * 41, "a.b", "1a", "a b"])
def test_bad_project_names_are_refused(shop: FakeWorld, name: str) -> None:
    with pytest.raises(Rejected) as refused:
        register_project(shop.world, name)
    assert refused.value.field == "name"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("clone_url", "https://oauth2:glpat-x@gitlab.example/g/p.git"),
        ("clone_url", "--upload-pack=touch /tmp/owned"),
        ("clone_url", "ext::sh -c whoami"),
        ("forge_url", "https://root:pw@gitlab.example"),
        ("forge_url", "gitlab.example"),
    ],
)
def test_addresses_hold_neither_secrets_nor_options(shop: FakeWorld, field: str, value: str) -> None:
    world = replace(shop.world, forges={"gitlab": shop.forge})
    good = {"clone_url": "https://gitlab.example:8443/g/p.git", "forge_url": "https://gitlab.example"}
    with pytest.raises(Rejected) as refused:
        register_project(world, "hub", forge="gitlab", forge_project="g/p", **{**good, field: value})
    assert refused.value.field == field
    assert "glpat" not in str(refused.value)
    for clone_url in (good["clone_url"], "git@gitlab.example:g/p.git", "ssh://git@gitlab.example/g/p.git"):
        name = f"hub{len(shop.store.projects.find())}"
        register_project(world, name, forge="gitlab", forge_project="g/p", **{**good, "clone_url": clone_url})


def test_project_names_are_taken_once(shop: FakeWorld) -> None:
    with pytest.raises(Conflict):
        register_project(shop.world, "shop")
