"""The Role in docs/kubernetes-platform.md is enough for the whole life of a workload."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from delivery.adapters.platform_kubernetes import Layout
from delivery.errors import Rejected
from delivery.workloads import Health
from tests.docs.pages import ROOT
from tests.fakes.background import wait_for
from tests.kubernetes.connection import Connection
from tests.kubernetes.platforms import platform_on, until
from tests.kubernetes.test_platform_objects import team


def documented_role() -> dict[str, Any]:
    page = (ROOT / "docs/kubernetes-platform.md").read_text()
    found: dict[str, Any] = yaml.safe_load(page.partition("```yaml\n")[2].partition("```")[0])
    return found


def worker(cluster: Connection, namespace: str, role: dict[str, Any]) -> Path:
    kubeconfig = cluster.service_account_kubeconfig(namespace, "worker")
    subject = {"kind": "ServiceAccount", "name": "worker", "namespace": namespace}
    reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": role["metadata"]["name"]}
    binding = {"apiVersion": role["apiVersion"], "kind": "RoleBinding", "metadata": {"name": "worker"}}
    cluster.apply(role, {**binding, "subjects": [subject], "roleRef": reference}, namespace=namespace)
    asked = (
        "auth",
        "can-i",
        "list",
        "events",
        f"--as=system:serviceaccount:{namespace}:worker",
        f"--namespace={namespace}",
    )
    wait_for("the rights to count", lambda: cluster.kubectl(*asked).startswith("yes"))
    return kubeconfig


def test_the_documented_role_is_enough(cluster: Connection, namespace: str) -> None:
    with platform_on(worker(cluster, namespace, documented_role()), Layout(namespace=namespace)) as platform:
        first, second = team("v1"), team("v2", generation=2)
        secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "keys"}, "data": {"k": "eA=="}}
        for spec in (first, second):
            spec.manifests.append(secret)
            platform.apply(spec)
            until(platform, spec.key, Health.READY)
        assert [each.key for each in platform.list("bookshop")] == [first.key, second.key]
        wait_for("the watches of the namespace", lambda: platform.status(first.key) and platform.readings.current)
        assert len(list(platform.logs(first.key))) >= 3
        assert platform.drift(first.key) == ()
        for generation, spec in ((3, first), (4, second)):
            platform.remove(spec.key, generation)
            until(platform, spec.key, Health.ABSENT)


def test_without_one_of_its_rules_something_is_refused_by_name(cluster: Connection, namespace: str) -> None:
    role = documented_role()
    role["rules"] = [rule for rule in role["rules"] if rule["resources"] != ["poddisruptionbudgets"]]
    kubeconfig = worker(cluster, namespace, role)
    with platform_on(kubeconfig, Layout(namespace=namespace)) as platform, pytest.raises(Rejected) as refused:
        platform.apply(team())
    assert refused.value.remedy.startswith("grant ")
    assert "policy/poddisruptionbudgets" in refused.value.remedy
