"""The codec gives back what it was given, for every noun the store keeps."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping
from typing import Any, get_type_hints

import pytest
from hypothesis import given
from hypothesis import strategies as st

from delivery.codec import decode, encode
from delivery.deliveries import Delivery, Push
from delivery.environments import Environment
from delivery.errors import Broken
from delivery.gates.samples import Counts, Sample
from delivery.intents import Intent, TrafficState
from delivery.ports.store import CommitStatus, Event
from delivery.projects import Project
from delivery.releases import Release
from delivery.rollouts.model import Analysis, Decision, Facts, Pause, Rollout, SetWeight, Strategy
from delivery.workloads import WorkloadSpec, WorkloadStatus
from pipelines.runs import Job, Run

NOUNS = [
    Project, Delivery, Push, Run, Job, Release, Environment, Rollout, CommitStatus, Event,
    Strategy, Counts, Sample, Intent, TrafficState, Facts, Decision, WorkloadSpec, WorkloadStatus,
]  # fmt: skip

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)
st.register_type_strategy(Mapping, lambda hint: st.dictionaries(st.text(), _values_of(hint), max_size=3))
st.register_type_strategy(dict, lambda hint: st.dictionaries(st.text(), _values_of(hint), max_size=3))
st.register_type_strategy(float, st.floats(allow_nan=False))


def _values_of(hint: Any) -> st.SearchStrategy[Any]:
    value = hint.__args__[1]
    return json_values if value is Any else st.from_type(value)


def _tuples_for_sequences(value: Any) -> Any:
    """`Sequence` fields come back as tuples; make the original comparable."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        hints = get_type_hints(type(value))
        changes = {}
        for field in dataclasses.fields(value):
            inner = _tuples_for_sequences(getattr(value, field.name))
            is_sequence = "Sequence" in str(hints[field.name]) and isinstance(inner, list)
            changes[field.name] = tuple(inner) if is_sequence else inner
        return dataclasses.replace(value, **changes)
    return value


@pytest.mark.parametrize("noun", NOUNS, ids=lambda noun: noun.__name__)
def test_every_noun_survives_json(noun: type) -> None:
    @given(st.from_type(noun))
    def check(value: Any) -> None:
        again = decode(noun, json.loads(json.dumps(encode(value), allow_nan=False)))
        assert again == _tuples_for_sequences(value)

    check()


def test_steps_keep_their_kind() -> None:
    strategy = Strategy(steps=(SetWeight(10), Analysis(60.0), Pause(), Pause(5.0)))
    stored = encode(strategy)
    assert [step["kind"] for step in stored["steps"]] == ["SetWeight", "Analysis", "Pause", "Pause"]
    assert decode(Strategy, stored) == strategy


def test_infinite_latency_bound_is_valid_json() -> None:
    counts = Counts(3, 1, ((10.0, 2), (math.inf, 3)))
    assert decode(Counts, json.loads(json.dumps(encode(counts), allow_nan=False))) == counts


def test_a_field_added_later_takes_its_default() -> None:
    stored = encode(Counts(5, 1))
    del stored["latency"]
    assert decode(Counts, stored) == Counts(5, 1)


@pytest.mark.parametrize(
    ("change", "names"),
    [
        ({"phase": "flying"}, "Rollout.phase"),
        ({"later": 1}, "later"),
        ({"weight": "ten"}, "Rollout.weight"),
        ({"weight": True}, "Rollout.weight"),
        ({"strategy": {"steps": [{"kind": "Jump"}]}}, "Rollout.strategy.steps[0].kind"),
        ({"strategy": {"steps": {}}}, "Rollout.strategy.steps"),
        ({"gate": []}, "Rollout.gate"),
    ],
)
def test_what_does_not_fit_is_named(change: dict[str, Any], names: str) -> None:
    rollout = Rollout("r", "p", "e", "", "s", "", "v", "sha256:a", "c", "main", "run", Strategy())
    with pytest.raises(Broken, match=names.replace("[", r"\[").replace("]", r"\]")):
        decode(Rollout, {**encode(rollout), **change})


def test_a_missing_field_without_default_is_named() -> None:
    with pytest.raises(Broken, match=r"Push\.before: missing"):
        decode(Push, {"ref": "refs/heads/main", "after": ""})


def test_a_value_without_a_rule_is_refused() -> None:
    with pytest.raises(Broken, match="object"):
        encode(object())
