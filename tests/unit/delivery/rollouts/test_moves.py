"""What a rollout asks for: generations that rise, weights that sum to 100, the right version routable."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from delivery.errors import Broken
from delivery.intents import TrafficState
from delivery.rollouts.model import Analysis, AskTraffic, Facts, Pause, Phase, Rollout, SetWeight, WithdrawTraffic
from delivery.rollouts.moves import (
    acknowledged,
    adopt,
    ask,
    ask_again,
    describe,
    enter_step,
    intent_of,
    move,
    promote,
    resume,
    roll_back,
)
from delivery.rollouts.transitions import RolloutEvent
from delivery.workloads import Health

Build = Callable[..., Rollout]
World = Callable[..., Facts]


def test_asking_counts_up_and_keeps_stable_routable(rollout: Build) -> None:
    asked, effect = ask(rollout(phase=Phase.PROGRESSING), 10, 1001.0)
    assert (asked.generation, asked.weight, asked.asked_at) == (7001, 10, 1001.0)
    assert isinstance(effect, AskTraffic)
    assert effect.intent.weights == {"old": 90, "new": 10}
    assert effect.intent.stable == "old"


def test_promoting_makes_the_candidate_routable(rollout: Build) -> None:
    decision = promote(rollout(phase=Phase.PROGRESSING), RolloutEvent.STEPS_DONE, 1001.0, "done")
    assert decision.effects == (AskTraffic(intent_of(decision.rollout)),)
    assert intent_of(decision.rollout).stable == "new"
    assert intent_of(decision.rollout).weights == {"new": 100}


def test_rolling_back_sends_everything_to_stable(rollout: Build, facts: World) -> None:
    sick = rollout(phase=Phase.PROGRESSING, weight=10, generation=7001, asked_at=1000.0)
    decision = roll_back(sick, RolloutEvent.GATE_FAILED, facts(7001), 1002.0, "5 % failed")
    assert decision.rollout.phase is Phase.ROLLING_BACK
    assert intent_of(decision.rollout).weights == {"old": 100}


def test_weight_stays_on_a_living_candidate_while_stable_is_dead(rollout: Build, facts: World) -> None:
    sick = rollout(phase=Phase.PROGRESSING, weight=10, generation=7001, asked_at=1000.0)
    decision = roll_back(sick, RolloutEvent.SUPERSEDED, facts(7001, stable=Health.FAILING), 1002.0, "newer")
    assert decision.effects == ()
    assert decision.rollout.weight == 10


def test_a_first_release_is_withdrawn(rollout: Build, facts: World) -> None:
    first = rollout(stable="", phase=Phase.PROMOTING, weight=100, generation=7001, asked_at=1000.0)
    decision = roll_back(first, RolloutEvent.ABORT, facts(7001), 1002.0, "aborted")
    assert decision.effects == (WithdrawTraffic(7002),)
    assert acknowledged(decision.rollout, TrafficState(0, False))


def test_what_the_mesh_lost_is_asked_again(rollout: Build) -> None:
    asked, effect = ask(rollout(phase=Phase.PROGRESSING), 10, 1001.0)
    assert ask_again(asked, TrafficState(0, True)) == (effect,)
    assert ask_again(asked, TrafficState(7001, False)) == ()
    assert ask_again(rollout(), TrafficState(0, True)) == ()


def test_a_forgotten_request_of_ours_is_topped(rollout: Build) -> None:
    state = rollout((SetWeight(10),), phase=Phase.PROGRESSING, weight=10, generation=7001, step_started_at=1000.0)
    adopted = adopt(state, TrafficState(7002, True), 1005.0)
    assert adopted.step_started_at is None
    assert adopted.generation == 7003
    assert ask_again(adopted, TrafficState(7002, True)) == (AskTraffic(intent_of(adopted)),)


@pytest.mark.parametrize("held", [0, 6999, 7000, 8001])
def test_what_is_not_ours_is_not_adopted(rollout: Build, held: int) -> None:
    assert adopt(rollout(), TrafficState(held, True), 1005.0) == rollout()


def test_a_weight_step_has_no_clock_until_proxies_agree(rollout: Build) -> None:
    steps = (SetWeight(10), Pause(5.0))
    assert enter_step(rollout(steps, phase=Phase.PROGRESSING), 0, 1001.0).rollout.step_started_at is None
    assert enter_step(rollout(steps, phase=Phase.PROGRESSING), 1, 1001.0).rollout.step_started_at == 1001.0


def test_paused_time_does_not_count(rollout: Build) -> None:
    held = rollout((Pause(60.0),), phase=Phase.PAUSED, cause="pause", step_started_at=1000.0, phase_started_at=1010.0)
    assert resume(held, 1100.0).rollout.step_started_at == 1090.0


def test_an_undecided_analysis_gets_its_time_anew(rollout: Build) -> None:
    held = rollout(
        (Analysis(60.0),),
        phase=Phase.PAUSED,
        cause="gate_undecided_hold",
        step_started_at=1000.0,
        phase_started_at=1060.0,
    )
    assert resume(held, 1100.0).rollout.step_started_at == 1100.0


def test_an_unlisted_move_is_an_error(rollout: Build) -> None:
    with pytest.raises(Broken):
        move(rollout(phase=Phase.PROMOTED), RolloutEvent.ABORT, 1.0, "too late")


def test_steps_in_words(rollout: Build) -> None:
    steps = (SetWeight(10), Analysis(60.0), Pause(), Pause(5.0))
    texts = [describe(rollout(steps), index) for index in range(4)]
    assert texts == [
        "step 1 of 4: 10 % of requests to new",
        "step 2 of 4: the gate compares both versions, at most 60 s",
        "step 3 of 4: waits for an approval",
        "step 4 of 4: pauses for 5 s",
    ]


def test_a_redeployment_of_what_runs_never_splits(rollout: Build) -> None:
    same = replace(rollout(phase=Phase.PROGRESSING), stable="new", weight=10)
    assert intent_of(same).weights == {"new": 100}
