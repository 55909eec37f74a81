"""The Platform port's contract, on both sides: in memory, and local processes with real Envoys."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from delivery.errors import Conflict, Rejected, Transient
from delivery.workloads import Health, WorkloadKey, WorkloadStatus
from tests.contracts.platform_sides import Side, opened


@pytest.fixture(params=["memory", pytest.param("local", marks=pytest.mark.integration)])
def side(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Side]:
    with opened(request.param, tmp_path) as made:
        yield made


def test_a_workload_becomes_ready_and_is_listed(side):
    spec = side.spec()
    side.platform.apply(spec)
    status = side.until(spec.key, Health.READY)
    assert status == WorkloadStatus(spec.key, Health.READY, 1, 1)
    assert side.platform.list("bookshop") == [status]
    assert side.platform.list("other") == []


def test_what_was_never_applied_is_absent(side):
    key = WorkloadKey("bookshop", "ratings", "", "v9")
    assert side.platform.status(key) == WorkloadStatus(key, Health.ABSENT)
    assert list(side.platform.logs(key)) == []


def test_an_older_generation_changes_nothing(side):
    spec = side.spec(generation=5)
    side.platform.apply(spec)
    with pytest.raises(Conflict):
        side.platform.apply(replace(spec, generation=4, replicas=3))
    with pytest.raises(Conflict):
        side.platform.remove(spec.key, generation=4)
    assert side.until(spec.key, Health.READY).wanted == 1


def test_calls_are_idempotent(side):
    spec = side.spec(generation=5)
    side.platform.apply(spec)
    side.platform.apply(spec)
    side.until(spec.key, Health.READY)
    side.platform.remove(spec.key, generation=6)
    side.platform.remove(spec.key, generation=6)
    side.until(spec.key, Health.ABSENT)
    side.platform.remove(spec.key, generation=6)


def test_a_late_apply_does_not_bring_back_what_was_removed(side):
    spec = side.spec(generation=5)
    side.platform.apply(spec)
    side.platform.remove(spec.key, generation=6)
    side.until(spec.key, Health.ABSENT)
    for late in (5, 6):
        with pytest.raises(Conflict):
            side.platform.apply(replace(spec, generation=late))
    assert side.platform.list("bookshop") == []
    side.platform.apply(replace(spec, generation=7))
    side.until(spec.key, Health.READY)


def test_a_removal_that_overtakes_the_apply_wins(side):
    spec = side.spec(generation=5)
    side.platform.remove(spec.key, generation=6)
    with pytest.raises(Conflict):
        side.platform.apply(spec)
    assert side.platform.status(spec.key).health is Health.ABSENT


def test_bad_manifests_are_refused_at_once(side):
    spec = side.spec(service="bad", container={"command": []})
    with pytest.raises(Rejected) as refusal:
        side.platform.apply(spec)
    assert refusal.value.remedy
    assert side.platform.status(spec.key).health is Health.ABSENT


def test_the_number_of_replicas_can_be_overridden(side):
    spec = side.spec()
    side.platform.apply(replace(spec, replicas=2))
    assert side.until(spec.key, Health.READY).wanted == 2
    side.platform.apply(replace(spec, generation=2, replicas=0))
    assert side.until(spec.key, Health.READY).wanted == 0


def test_a_platform_that_is_away_raises_transient(side):
    spec = side.spec()
    side.platform.apply(spec)
    side.until(spec.key, Health.READY)
    side.leave()
    with pytest.raises(Transient):
        side.platform.status(spec.key)
