"""An equal apply soon after is known to be done; a rollout that waits for pods asks several times a second."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from delivery.adapters.platform_kubernetes import KubernetesPlatform, adapter
from delivery.workloads import WorkloadKey, WorkloadSpec

SPEC = WorkloadSpec(WorkloadKey("shop", "reviews", "", "v1"), 1000, "sha256:00", ())


class Clock:
    at = 100.0


@pytest.fixture
def applied(monkeypatch: pytest.MonkeyPatch) -> list[WorkloadSpec]:
    """What reaches the cluster, by `plan_workload` of the spec."""
    reached: list[Any] = []
    monkeypatch.setattr(adapter, "plan_workload", lambda spec, layout: spec)
    monkeypatch.setattr(
        adapter, "apply_workload", lambda api, plan, layout, ledger: dict(enumerate(reached.__iadd__([plan])))
    )
    monkeypatch.setattr(adapter, "remove_workload", lambda *given: None)
    monkeypatch.setattr(adapter, "Api", lambda client: None)
    return reached


def platform(clock: Clock) -> KubernetesPlatform:
    return KubernetesPlatform(lambda: None, again=5.0, now=lambda: clock.at)  # type: ignore[arg-type,return-value]


def test_it_is_not_repeated_at_once_but_after_a_while(applied: list[WorkloadSpec]) -> None:
    clock = Clock()
    cluster = platform(clock)
    for _ in range(3):
        cluster.apply(SPEC)
    assert len(applied) == 1
    clock.at += 5.0
    cluster.apply(SPEC)
    assert len(applied) == 2


def test_another_one_and_one_after_a_removal_are_made(applied: list[WorkloadSpec]) -> None:
    cluster = platform(Clock())
    cluster.apply(SPEC)
    cluster.apply(replace(SPEC, generation=2000))
    cluster.remove(SPEC.key, 2001)
    cluster.apply(replace(SPEC, generation=2000))
    assert [spec.generation for spec in applied] == [1000, 2000, 2000]


def test_what_was_applied_is_not_remembered_for_ever(applied: list[WorkloadSpec]) -> None:
    clock = Clock()
    cluster = platform(clock)
    for number in range(3):
        cluster.apply(replace(SPEC, key=WorkloadKey("shop", "reviews", "", f"v{number}")))
        clock.at += 6.0
    assert len(cluster._applied) == 1  # nothing else shows it
