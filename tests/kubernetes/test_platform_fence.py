"""Runs that die or are overtaken in the middle of an apply, where it is hardest: objects made, not yet let go."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from delivery.adapters.platform_kubernetes import KubernetesPlatform, Layout, shared
from delivery.errors import Conflict, Rejected
from delivery.workloads import Health
from tests.fakes.workloads import workload
from tests.kubernetes.connection import Connection
from tests.kubernetes.platforms import platform_on, until
from tests.kubernetes.test_platform_troubles import leftovers


@pytest.fixture
def platform(cluster: Connection, namespace: str) -> Iterator[KubernetesPlatform]:
    with platform_on(cluster.kubeconfig, Layout(namespace=namespace)) as made:
        yield made


@pytest.fixture
def in_between(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], Any]], None]:
    """Have something happen once, after the objects are made and before the Deployment is let go."""

    def happen(what: Callable[[], Any]) -> None:
        original = shared.apply_shared

        def interrupted(*arguments: Any) -> None:
            monkeypatch.setattr(shared, "apply_shared", original)
            what()
            original(*arguments)

        monkeypatch.setattr(shared, "apply_shared", interrupted)

    return happen


class Died(BaseException):
    """The process was killed here."""


def die() -> None:
    raise Died


def test_a_run_that_died_leaves_no_pods_and_its_repeat_completes_it(
    platform: KubernetesPlatform, cluster: Connection, namespace: str, tmp_path: Path, in_between: Any
) -> None:
    spec = workload(tmp_path, generation=5)
    in_between(die)
    with pytest.raises(Died):
        platform.apply(spec)
    assert cluster.get("pods", namespace=namespace)["items"] == []
    assert platform.status(spec.key).reason == "its objects are being made"
    platform.apply(spec)
    until(platform, spec.key, Health.READY)


def test_what_a_run_that_died_left_is_removed(
    platform: KubernetesPlatform, cluster: Connection, namespace: str, tmp_path: Path, in_between: Any
) -> None:
    spec = workload(tmp_path, generation=5)
    in_between(die)
    with pytest.raises(Died):
        platform.apply(spec)
    platform.remove(spec.key, 6)
    until(platform, spec.key, Health.ABSENT)
    assert leftovers(cluster, namespace, spec.key) == []


def test_a_removal_in_the_middle_of_an_apply_wins(
    platform: KubernetesPlatform, cluster: Connection, namespace: str, tmp_path: Path, in_between: Any
) -> None:
    spec = workload(tmp_path, generation=5)
    in_between(lambda: platform.remove(spec.key, 6))
    with pytest.raises(Conflict, match="is not newer than 6"):
        platform.apply(spec)
    until(platform, spec.key, Health.ABSENT)
    assert leftovers(cluster, namespace, spec.key) == []


def test_a_newer_run_in_the_middle_of_an_apply_wins(
    platform: KubernetesPlatform, cluster: Connection, namespace: str, tmp_path: Path, in_between: Any
) -> None:
    spec = workload(tmp_path, generation=5)
    in_between(lambda: platform.apply(replace(spec, generation=6, replicas=2)))
    with pytest.raises(Conflict, match="is not newer than 6"):
        platform.apply(spec)
    assert until(platform, spec.key, Health.READY).wanted == 2


def test_a_deployment_of_somebody_else_is_left_alone(
    platform: KubernetesPlatform, cluster: Connection, namespace: str, tmp_path: Path
) -> None:
    labels = {"app": "theirs"}
    container = {"name": "app", "image": "theirs"}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [container]}}
    theirs = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "reviews-alice-v1"}}
    cluster.apply(theirs | {"spec": {"selector": {"matchLabels": labels}, "template": template}}, namespace=namespace)
    spec = workload(tmp_path)
    with pytest.raises(Rejected, match="is not of this workload"):
        platform.apply(spec)
    with pytest.raises(Rejected, match="is not of this workload"):
        platform.remove(spec.key, 9)
    assert platform.status(spec.key).health is Health.ABSENT
