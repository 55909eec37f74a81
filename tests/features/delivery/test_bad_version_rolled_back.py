"""Bad version rolled back: users get the stable one again, and all are told why."""

from __future__ import annotations

from delivery.flows.operate_rollout import operate_rollout
from delivery.flows.operate_run import retry_run
from delivery.ports.forge import CommitState
from delivery.releases import release_version
from delivery.rollouts.model import Phase
from delivery.workloads import Health
from pipelines.runs import RunState
from tests.fakes.shop import canary_shop, rollout_of, run_of, serve, stable
from tests.fakes.world import FakeWorld


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
