"""Canary promoted: by steps, after approval, by digest; a mesh that is away delays it."""

from __future__ import annotations

import pytest

from delivery.errors import Conflict
from delivery.flows.operate_rollout import approve_rollout
from delivery.rollouts.model import Phase
from pipelines.runs import RunState
from tests.fakes.shop import canary_shop, rollout_of, run_of, serve, stable


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
