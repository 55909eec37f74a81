"""What it waits for names the proxy, the person or the data."""

from __future__ import annotations

from collections.abc import Callable

from delivery.rollouts.model import Analysis, Facts, Pause, Phase, Rollout, SetWeight
from delivery.rollouts.waits import waiting_on
from delivery.workloads import Health

Build = Callable[..., Rollout]
World = Callable[..., Facts]


def running(rollout: Build, *steps: object, **changes: object) -> Rollout:
    state = {"phase": Phase.PROGRESSING, "weight": 10, "generation": 7001, "asked_at": 990.0, "step_started_at": 1000.0}
    return rollout(steps, **{**state, **changes})


def test_the_slowest_proxy(rollout: Build, facts: World) -> None:
    found = waiting_on(running(rollout, SetWeight(10)), facts(7001, programmed=False), 1001.0)
    assert found == ("gateway/main: not yet acknowledged RTDS",)


def test_the_mesh_itself(rollout: Build, facts: World) -> None:
    assert waiting_on(running(rollout, SetWeight(10)), facts(6000), 1001.0) == (
        "the mesh to take generation 7001 (it holds 6000)",
    )


def test_a_candidate_with_its_reason_and_the_time_left(rollout: Build, facts: World) -> None:
    found = waiting_on(rollout(), facts(candidate=Health.FAILING, candidate_reason="exit code 1"), 1100.0)
    assert found == ("new to become ready (failing: exit code 1); 20 s left",)


def test_a_pause_and_an_approval(rollout: Build, facts: World) -> None:
    assert waiting_on(running(rollout, Pause(30.0)), facts(7001), 1010.0) == ("20 s of the pause",)
    assert "approval of step 1 (commit c0ffee" in waiting_on(running(rollout, Pause()), facts(7001), 1010.0)[0]


def test_the_gate_and_missing_metrics(rollout: Build, facts: World) -> None:
    state = running(rollout, Analysis(), verdict={"needs": "about 60 more requests"})
    gate, metrics = waiting_on(state, facts(7001, sample=None), 1010.0)
    assert gate == "the gate: about 60 more requests"
    assert "metrics" in metrics


def test_people(rollout: Build, facts: World) -> None:
    assert "operator" in waiting_on(running(rollout, Pause(), phase=Phase.PAUSED, cause="pause"), facts(7001), 1.0)[0]
    undecided = running(rollout, Analysis(), phase=Phase.PAUSED, cause="gate_undecided_hold")
    assert "approve step 1" in waiting_on(undecided, facts(7001), 1.0)[0]


def test_a_dead_stable_version_holds_the_weight(rollout: Build, facts: World) -> None:
    state = running(rollout, phase=Phase.ROLLING_BACK)
    assert "stable version old (failing)" in waiting_on(state, facts(7001, stable=Health.FAILING), 1.0)[0]


def test_an_ended_rollout_waits_for_nothing(rollout: Build, facts: World) -> None:
    assert waiting_on(rollout(phase=Phase.PROMOTED), facts(), 1.0) == ()
