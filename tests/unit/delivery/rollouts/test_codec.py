"""Rollouts and strategies come back from JSON as they went."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from delivery.rollouts.codec import rollout_from_json, rollout_to_json, strategy_from_json, strategy_to_json
from delivery.rollouts.model import Analysis, Approval, Command, GatePolicy, Pause, Phase, Rollout, SetWeight, Strategy

finite = st.floats(allow_nan=False, allow_infinity=False)
steps = st.one_of(
    st.builds(SetWeight, st.integers(0, 100)),
    st.builds(Pause, st.none() | finite),
    st.builds(Analysis, finite),
)
strategies = st.builds(
    Strategy, steps=st.lists(steps).map(tuple), gate=st.builds(GatePolicy, confidence=finite), on_newer=st.text()
)


@given(strategies)
def test_strategy_roundtrip(strategy: Strategy) -> None:
    assert strategy_from_json(json.loads(json.dumps(strategy_to_json(strategy)))) == strategy


@given(
    strategies,
    st.sampled_from(Phase),
    st.none() | finite,
    st.lists(st.builds(Approval, st.text(), st.booleans(), st.integers(), st.text(), st.text(), finite)).map(tuple),
    st.lists(st.builds(Command, st.text(), st.text(), finite)).map(tuple),
)
def test_rollout_roundtrip(
    strategy: Strategy,
    phase: Phase,
    started: float | None,
    approvals: tuple[Approval, ...],
    commands: tuple[Command, ...],
) -> None:
    rollout = Rollout(
        "r1", "bookshop", "bookshop/production", "", "reviews", "aaa", "bbb", "sha256:b", "c0ffee", "main", "run1",
        strategy, phase=phase, step_started_at=started, approvals=approvals, commands=commands,
        gate={"windows": [1, 2.5, None]}, waiting_on=("gateway/main: not yet acknowledged RTDS",),
    )  # fmt: skip
    assert rollout_from_json(json.loads(json.dumps(rollout_to_json(rollout)))) == rollout
