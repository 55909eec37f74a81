"""The checker sees each law broken; that decide keeps them is test_laws' business."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from delivery.errors import Broken
from delivery.intents import Intent
from delivery.rollouts.invariants import assert_sound, violations
from delivery.rollouts.model import (
    Analysis,
    AskTraffic,
    Decision,
    Facts,
    MakeStable,
    Pause,
    Phase,
    Retire,
    Rollout,
    SetWeight,
)
from delivery.workloads import Health

Build = Callable[..., Rollout]
World = Callable[..., Facts]
STEPS = (SetWeight(10), Analysis(60.0), Pause(), SetWeight(100))


def broken(before: Rollout, facts: Facts, after: Rollout, *effects: object) -> str:
    return "; ".join(violations(before, facts, Decision(after, tuple(effects))))


def intent(generation: int, stable: str = "old", **weights: int) -> AskTraffic:
    return AskTraffic(Intent("shop", "reviews", "", generation, stable, weights or {"old": 90, "new": 10}))


@pytest.fixture
def running(rollout: Build) -> Rollout:
    return rollout(
        STEPS, phase=Phase.PROGRESSING, step=1, weight=10, generation=7001, asked_at=990.0, step_started_at=1000.0
    )


def test_a_sound_decision_passes(running: Rollout, facts: World) -> None:
    assert_sound(running, facts(7001), Decision(running))


def test_weights_that_do_not_sum_to_100(running: Rollout, facts: World) -> None:
    after = replace(running, generation=7002)
    assert "sum to 100" in broken(running, facts(7001), after, intent(7002, old=90, new=11))


def test_an_unroutable_stable_version(running: Rollout, facts: World) -> None:
    assert "is routable instead of" in broken(running, facts(7001), running, intent(7001, stable="new"))


def test_a_falling_generation(running: Rollout, facts: World) -> None:
    assert "fell" in broken(running, facts(7001), replace(running, generation=7000))


def test_a_weight_under_the_same_generation(running: Rollout, facts: World) -> None:
    assert "same generation" in broken(running, facts(7001), replace(running, weight=50))


def test_an_early_clock(running: Rollout, facts: World) -> None:
    before = replace(running, step=0, step_started_at=None)
    assert "before generation 7001 was accepted" in broken(
        before, facts(7001, programmed=False), replace(before, step_started_at=1001.0)
    )


def test_an_analysis_left_without_a_pass(running: Rollout, facts: World) -> None:
    assert "without a pass" in broken(running, facts(7001), replace(running, step=2))


def test_an_approval_step_left_without_an_approval(running: Rollout, facts: World) -> None:
    before = replace(running, step=2)
    assert "without an approval" in broken(before, facts(7001), replace(before, step=3))


def test_weight_on_a_dead_candidate(running: Rollout, facts: World) -> None:
    after = replace(running, generation=7002, weight=50)
    text = broken(running, facts(7001, candidate=Health.FAILING), after, intent(7002, old=50, new=50))
    assert "candidate that is failing" in text


def test_retiring_what_serves(running: Rollout, facts: World) -> None:
    assert "may still get traffic" in broken(running, facts(7001), running, Retire("new"))
    assert "stable version old was retired" in broken(running, facts(7001), running, Retire("old"))


def test_two_stable_versions(running: Rollout, facts: World) -> None:
    assert "before that was written down" in broken(running, facts(7001), running, MakeStable())


def test_an_ended_rollout_that_changes(rollout: Build, facts: World) -> None:
    ended = rollout(phase=Phase.PROMOTED, ended_at=1.0)
    assert "promoted changed" in broken(ended, facts(), replace(ended, message="else"))
    assert "no move leads" in broken(ended, facts(), replace(ended, phase=Phase.PAUSED, ended_at=None))


def test_identity_changed(running: Rollout, facts: World) -> None:
    assert "candidate changed" in broken(running, facts(7001), replace(running, candidate="other"))


def test_every_broken_law_is_named(running: Rollout, facts: World) -> None:
    with pytest.raises(Broken, match=r"r1: .*; "):
        assert_sound(running, facts(7001), Decision(replace(running, step=2, weight=50, revision="x")))
