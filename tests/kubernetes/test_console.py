"""What people do to a running workload, on a real API server; pods are kwok's, a shell in one runs on this machine."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from delivery.errors import Conflict
from delivery.workloads import Health
from tests.contracts.platform_sides import Side
from tests.contracts.test_console import (  # noqa: F401  collected here too, with this module's `side`
    test_a_restart_replaces_every_replica_once,
    test_a_shell_answers_and_ends,
    test_replicas_are_shown,
    test_scale_up_down_and_back,
)
from tests.fakes.background import wait_for
from tests.kubernetes.connection import Connection
from tests.kubernetes.platforms import through_a_proxy


@pytest.fixture
def side(cluster: Connection, namespace: str, tmp_path: Path) -> Iterator[Side]:
    with through_a_proxy(cluster, namespace, tmp_path) as (platform, proxy):
        yield Side(platform, tmp_path, proxy.cut)


def test_an_autoscaler_is_not_fought(side: Side) -> None:
    spec = side.spec()
    scaler = {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": "reviews"},
        "spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "reviews"},
            "maxReplicas": 3,
        },
    }
    spec.manifests.append(scaler)
    side.platform.apply(spec)
    side.until(spec.key, Health.READY)
    with pytest.raises(Conflict, match="decides how many replicas"):
        side.platform.scale(spec.key, 2)


def test_what_kubectl_changes_is_drift(side: Side, cluster: Connection, namespace: str) -> None:
    spec = side.spec()
    side.platform.apply(spec)
    side.until(spec.key, Health.READY)
    assert list(side.platform.drift(spec.key)) == []
    cluster.kubectl("-n", namespace, "set", "env", "deployment/reviews-alice-v1", "DEBUG=1")
    found = wait_for("the drift", lambda: list(side.platform.drift(spec.key)))
    assert any("kubectl" in line and "env" in line for line in found)


def test_trouble_is_told_with_the_replica(side: Side) -> None:
    spec = side.spec(container={"image": "registry.test/reviews:outcome-crash-loop"})
    side.platform.apply(spec)
    found = wait_for("words", lambda: [each.reason for each in side.platform.replicas(spec.key) if each.reason])
    assert "CrashLoopBackOff" in found[0]
