"""The Platform port's contract on a real Kubernetes API server; pods are kwok's."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from delivery.adapters.platform_kubernetes import KubernetesPlatform
from delivery.workloads import WorkloadSpec
from tests.contracts.platform_sides import Side
from tests.contracts.test_platform import (  # noqa: F401  collected here too, with this module's `side`
    test_a_late_apply_does_not_bring_back_what_was_removed,
    test_a_platform_that_is_away_raises_transient,
    test_a_removal_that_overtakes_the_apply_wins,
    test_a_workload_becomes_ready_and_is_listed,
    test_an_older_generation_changes_nothing,
    test_bad_manifests_are_refused_at_once,
    test_calls_are_idempotent,
    test_the_number_of_replicas_can_be_overridden,
    test_what_was_never_applied_is_absent,
)
from tests.fakes.background import wait_for
from tests.kubernetes.connection import Connection
from tests.kubernetes.platforms import through_a_proxy


class KubernetesSide(Side):
    """Bad manifests are what this API server refuses."""

    def spec(self, **more: object) -> WorkloadSpec:
        if more.get("service") == "bad":
            more["container"] = {"ports": [{"containerPort": 99_999}]}
        return super().spec(**more)


@pytest.fixture
def side(cluster: Connection, namespace: str, tmp_path: Path) -> Iterator[Side]:
    with through_a_proxy(cluster, namespace, tmp_path) as (platform, proxy):

        def leave() -> None:
            proxy.cut()
            wait_for("the watches to notice", lambda: not platform.readings.current)

        yield KubernetesSide(platform, tmp_path, leave)


def test_the_real_side_is_kubernetes(side: Side) -> None:
    assert isinstance(side.platform, KubernetesPlatform)
