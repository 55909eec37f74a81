"""What people ask is checked at the door; each refusal says what to do instead."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from delivery.errors import Conflict, Rejected
from delivery.rollouts.model import TERMINAL, Analysis, Approval, Command, Pause, Phase, Rollout, SetWeight
from delivery.rollouts.orders import retried, waits_for_approval, with_approval, with_command

Build = Callable[..., Rollout]
STEPS = (SetWeight(10), Pause(), SetWeight(100))
YES = Approval("ann", True, 1, "c0ffee", "sha256:new", 1001.0)


@pytest.fixture
def asking(rollout: Build) -> Rollout:
    return rollout(STEPS, phase=Phase.PROGRESSING, step=1, weight=10)


def test_an_approval_is_added(asking: Rollout) -> None:
    assert waits_for_approval(asking)
    approved = with_approval(asking, YES)
    assert approved.approvals == (YES,)
    assert not waits_for_approval(approved)


@pytest.mark.parametrize(
    ("approval", "field"),
    [
        (Approval("ann", True, 0, "c0ffee", "sha256:new", 1.0), "step"),
        (Approval("ann", True, 1, "other", "sha256:new", 1.0), "revision"),
        (Approval("ann", True, 1, "c0ffee", "sha256:other", 1.0), "artifact"),
    ],
)
def test_an_approval_of_something_else_is_refused(asking: Rollout, approval: Approval, field: str) -> None:
    with pytest.raises(Conflict) as refused:
        with_approval(asking, approval)
    assert refused.value.field == field
    assert refused.value.remedy


@pytest.mark.parametrize("second", ["ann", "bob"])
def test_nobody_approves_twice(asking: Rollout, second: str) -> None:
    approved = with_approval(asking, YES)
    with pytest.raises(Conflict, match="approved by ann already"):
        with_approval(approved, Approval(second, False, 1, "c0ffee", "sha256:new", 1002.0))


@pytest.mark.parametrize("phase", sorted(TERMINAL))
def test_an_ended_rollout_takes_no_approval(rollout: Build, phase: Phase) -> None:
    with pytest.raises(Conflict, match="has ended"):
        with_approval(rollout(STEPS, phase=phase, step=1), YES)


def test_not_waiting_no_approval(rollout: Build) -> None:
    timed = rollout((SetWeight(10), Pause(5.0)), phase=Phase.PROGRESSING, step=1)
    with pytest.raises(Conflict, match="does not wait"):
        with_approval(timed, YES)


def test_an_undecided_analysis_can_be_accepted(rollout: Build) -> None:
    held = rollout((SetWeight(10), Analysis()), phase=Phase.PAUSED, step=1, cause="gate_undecided_hold")
    assert waits_for_approval(held)
    assert not waits_for_approval(rollout((SetWeight(10), Analysis()), phase=Phase.PAUSED, step=1, cause="pause"))


@pytest.mark.parametrize(
    ("phase", "verb", "fits"),
    [
        (Phase.DEPLOYING, "promote", False),
        (Phase.DEPLOYING, "abort", True),
        (Phase.PROGRESSING, "pause", True),
        (Phase.PROGRESSING, "resume", False),
        (Phase.PAUSED, "pause", False),
        (Phase.PAUSED, "promote", True),
        (Phase.PROMOTING, "abort", True),
        (Phase.PROMOTING, "promote", False),
        (Phase.ROLLING_BACK, "abort", False),
        (Phase.ROLLED_BACK, "promote", False),
    ],
)
def test_commands_fit_the_phase(rollout: Build, phase: Phase, verb: str, fits: bool) -> None:
    state = rollout(STEPS, phase=phase)
    command = Command(verb, "ann", 1001.0)
    if fits:
        assert with_command(state, command).commands == (command,)
        return
    with pytest.raises(Conflict) as refused:
        with_command(state, command)
    assert refused.value.remedy


def test_commands_that_wait_count_already(asking: Rollout) -> None:
    paused = with_command(asking, Command("pause", "ann", 1.0))
    with pytest.raises(Conflict):
        with_command(paused, Command("pause", "bob", 2.0))
    assert with_command(paused, Command("resume", "bob", 2.0)).commands[1].verb == "resume"


def test_no_abort_once_the_candidate_is_stable(rollout: Build) -> None:
    with pytest.raises(Conflict, match="cannot abort") as refused:
        with_command(rollout(phase=Phase.PROMOTING, made_stable_at=1.0), Command("abort", "ann", 2.0))
    assert "revert" in refused.value.remedy


def test_an_unknown_verb_is_rejected(asking: Rollout) -> None:
    with pytest.raises(Rejected, match="dance"):
        with_command(asking, Command("dance", "ann", 1.0))


@pytest.mark.parametrize("phase", [Phase.PROGRESSING, Phase.PROMOTED, Phase.ROLLED_BACK])
def test_retry_never_changes_a_rollout(rollout: Build, phase: Phase) -> None:
    with pytest.raises(Conflict) as refused:
        with_command(rollout(STEPS, phase=phase), Command("retry", "ann", 1.0))
    assert refused.value.remedy


def test_a_retry_is_a_new_rollout(rollout: Build) -> None:
    old = rollout(STEPS, phase=Phase.ROLLED_BACK, ended_at=1.0, step=2, weight=0, verdict={"outcome": "failed"})
    new = retried(old, "r2", 9000, 50.0)
    assert (new.id, new.phase, new.generation, new.retry_of, new.step) == ("r2", Phase.DEPLOYING, 9000, "r1", 0)
    assert new.verdict == {}
    assert new.ended_at is None


@pytest.mark.parametrize("phase", [Phase.PROGRESSING, Phase.PROMOTED])
def test_only_what_failed_is_retried(rollout: Build, phase: Phase) -> None:
    with pytest.raises(Conflict):
        retried(rollout(STEPS, phase=phase), "r2", 9000, 50.0)
