"""Single ticks that matter; whole lives are in tests/scenarios, random ones in test_laws."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from delivery.gates.samples import Counts, Sample
from delivery.rollouts.decide import FAILING_GRACE, RETIRE_PATIENCE, UNWELL_GRACE, decide
from delivery.rollouts.model import (
    Analysis,
    Approval,
    AskTraffic,
    Command,
    DeployCandidate,
    Facts,
    MakeStable,
    Pause,
    Phase,
    Quarantine,
    Report,
    Retire,
    Rollout,
    SetWeight,
)
from delivery.workloads import Health

Build = Callable[..., Rollout]
World = Callable[..., Facts]
STEPS = (SetWeight(10), Pause(), SetWeight(100))


def canary(rollout: Build, step: int = 1, **changes: object) -> Rollout:
    """A canary at 10 %, acknowledged, standing at `step` since 1000."""
    state = {"phase": Phase.PROGRESSING, "step": step, "weight": 10, "generation": 7001, "asked_at": 990.0}
    return rollout(**{"steps": STEPS, **state, "step_started_at": 1000.0, **changes})


def test_deploys_until_ready(rollout: Build, facts: World) -> None:
    decision = decide(rollout(STEPS), facts(candidate=Health.STARTING), 1001.0)
    assert decision.effects == (DeployCandidate(),)
    assert decision.rollout.phase is Phase.DEPLOYING


def test_the_first_tick_starts_the_deadline(rollout: Build, facts: World) -> None:
    decision = decide(rollout(STEPS, phase_started_at=0.0), facts(candidate=Health.STARTING), 5000.0)
    assert decision.rollout.phase is Phase.DEPLOYING
    assert decision.rollout.phase_started_at == 5000.0


def test_ready_takes_the_first_step(rollout: Build, facts: World) -> None:
    decision = decide(rollout(STEPS), facts(), 1001.0)
    assert decision.rollout.phase is Phase.PROGRESSING
    assert decision.rollout.weight == 10
    assert isinstance(decision.effects[0], AskTraffic)
    assert decision.waiting_on == decision.rollout.waiting_on != ()


@pytest.mark.parametrize("traffic", [(7000, True), (7001, False)])
def test_no_clock_before_every_proxy_agrees(rollout: Build, facts: World, traffic: tuple[int, bool]) -> None:
    state = canary(rollout, step=0, step_started_at=None)
    decision = decide(state, facts(*traffic), 1050.0)
    assert decision.rollout.step_started_at is None
    assert decision.rollout.step == 0


@pytest.mark.parametrize(
    "approval",
    [
        Approval("ann", True, 2, "c0ffee", "sha256:new", 1001.0),
        Approval("ann", True, 1, "other", "sha256:new", 1001.0),
        Approval("ann", True, 1, "c0ffee", "sha256:other", 1001.0),
    ],
)
def test_approvals_of_something_else_are_not_heard(rollout: Build, facts: World, approval: Approval) -> None:
    decision = decide(canary(rollout, approvals=(approval,)), facts(7001), 1002.0)
    assert decision.rollout.step == 1


def test_an_approval_of_this_step_goes_on(rollout: Build, facts: World) -> None:
    approval = Approval("ann", True, 1, "c0ffee", "sha256:new", 1001.0)
    assert decide(canary(rollout, approvals=(approval,)), facts(7001), 1002.0).rollout.weight == 100


@pytest.mark.parametrize("obstacle", [{"sample": None}, {"candidate": Health.DEGRADED}, {"stable": Health.FAILING}])
def test_nothing_gets_more_traffic_against_an_obstacle(
    rollout: Build, facts: World, obstacle: dict[str, object]
) -> None:
    approval = Approval("ann", True, 1, "c0ffee", "sha256:new", 1001.0)
    decision = decide(canary(rollout, approvals=(approval,)), facts(7001, **obstacle), 1002.0)
    assert (decision.rollout.step, decision.rollout.weight) == (1, 10)
    assert decision.waiting_on


def test_a_failed_gate_rolls_back_whatever_the_step(rollout: Build, facts: World) -> None:
    state, now = canary(rollout), 1000.0
    for tick in range(1, 40):
        now = 1000.0 + tick
        sample = Sample(now, Counts(1000 + 45 * tick), Counts(100 + 5 * tick, 5 * tick))
        state = decide(state, facts(7001, sample=sample), now).rollout
        if state.phase is Phase.ROLLING_BACK:
            break
    assert state.phase is Phase.ROLLING_BACK
    assert state.cause == "gate_failed"
    ended = decide(state, facts(7002), now + 1)
    assert [type(effect) for effect in ended.effects] == [Retire, Quarantine, Report]
    assert ended.rollout.message == state.verdict["sentence"]


@pytest.mark.parametrize(("health", "grace"), [(Health.FAILING, FAILING_GRACE), (Health.DEGRADED, UNWELL_GRACE)])
def test_a_candidate_that_stays_unwell_loses_its_weight(
    rollout: Build, facts: World, health: Health, grace: float
) -> None:
    state = decide(canary(rollout), facts(7001, candidate=health), 1001.0).rollout
    assert decide(state, facts(7001, candidate=health), 1001.0 + grace - 1).rollout.phase is Phase.PROGRESSING
    rolled = decide(state, facts(7001, candidate=health, candidate_reason="signal 9"), 1001.0 + grace)
    assert rolled.rollout.phase is Phase.ROLLING_BACK
    assert "signal 9" in rolled.rollout.message


def test_a_candidate_that_recovers_starts_anew(rollout: Build, facts: World) -> None:
    state = decide(canary(rollout), facts(7001, candidate=Health.FAILING), 1001.0).rollout
    state = decide(state, facts(7001), 1005.0).rollout
    assert state.unwell_since is None


def test_an_absent_candidate_is_deployed_again(rollout: Build, facts: World) -> None:
    assert DeployCandidate() in decide(canary(rollout), facts(7001, candidate=Health.ABSENT), 1001.0).effects


def test_promotion_is_written_down_before_it_is_told(rollout: Build, facts: World) -> None:
    state = rollout(phase=Phase.PROMOTING, weight=100, generation=7002, asked_at=1000.0)
    written = decide(state, facts(7002), 1001.0)
    assert written.effects == ()
    assert written.rollout.made_stable_at == 1001.0
    assert decide(written.rollout, facts(7002), 1002.0).effects == (MakeStable(),)
    ended = decide(written.rollout, facts(7002), 1010.0)
    assert ended.rollout.phase is Phase.PROMOTED
    assert Retire("old") in ended.effects


def test_the_old_version_stays_while_the_new_one_is_unwell(rollout: Build, facts: World) -> None:
    state = rollout(phase=Phase.PROMOTING, weight=100, generation=7002, asked_at=1000.0, made_stable_at=1001.0)
    sick = facts(7002, candidate=Health.FAILING)
    assert decide(state, sick, 1100.0).rollout.phase is Phase.PROMOTING
    assert decide(state, replace(sick, newer="fix"), 1100.0).rollout.phase is Phase.PROMOTED
    assert decide(state, sick, 1001.0 + RETIRE_PATIENCE).rollout.phase is Phase.PROMOTED


def test_the_same_version_is_never_retired(rollout: Build, facts: World) -> None:
    state = decide(rollout(STEPS, stable="new"), facts(), 1001.0).rollout
    effects = []
    for tick in range(2, 10):
        decision = decide(state, facts(7001), 1000.0 + tick)
        state, effects = decision.rollout, [*effects, *decision.effects]
    assert state.phase is Phase.PROMOTED
    assert not any(isinstance(effect, Retire) for effect in effects)


def test_commands_are_done_once_and_in_order(rollout: Build, facts: World) -> None:
    commands = (Command("pause", "ann", 1001.0), Command("resume", "bob", 1002.0))
    state = decide(canary(rollout, commands=commands), facts(7001), 1003.0).rollout
    assert (state.phase, state.commands_done) == (Phase.PAUSED, 1)
    state = decide(state, facts(7001), 1004.0).rollout
    assert (state.phase, state.commands_done) == (Phase.PROGRESSING, 2)


def test_a_command_that_no_longer_fits_is_done_by_doing_nothing(rollout: Build, facts: World) -> None:
    commands = (Command("resume", "ann", 1001.0), Command("dance", "ann", 1001.0))
    state = decide(canary(rollout, commands=commands), facts(7001), 1003.0).rollout
    assert (state.phase, state.commands_done) == (Phase.PROGRESSING, 2)


def test_a_dead_candidate_is_not_promoted_on_command(rollout: Build, facts: World) -> None:
    state = canary(rollout, commands=(Command("promote", "ann", 1001.0),))
    decision = decide(state, facts(7001, candidate=Health.FAILING), 1003.0)
    assert decision.rollout.weight == 10
    assert "not promoted" in decision.rollout.message


def test_an_undecided_analysis_holds_or_rolls_back(rollout: Build, facts: World) -> None:
    state = canary(rollout, steps=(SetWeight(10), Analysis(30.0), SetWeight(100)))
    assert decide(state, facts(7001), 1031.0).rollout.phase is Phase.PAUSED
    strict = replace(state, strategy=replace(state.strategy, on_inconclusive="rollback"))
    assert decide(strict, facts(7001), 1031.0).rollout.phase is Phase.ROLLING_BACK


def test_ended_is_ended(rollout: Build, facts: World) -> None:
    state = rollout(phase=Phase.PROMOTED, ended_at=1000.0, commands=(Command("abort", "ann", 1001.0),))
    assert decide(state, facts(0), 2000.0).rollout is state
