"""What a team's manifests become on a cluster, seen by kubectl: side by side, scaled, handed on, cleaned up."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import pytest
import yaml

from delivery.adapters.platform_kubernetes import KubernetesPlatform, Layout
from delivery.errors import Rejected
from delivery.releases import Manifest
from delivery.workloads import Health, WorkloadKey, WorkloadSpec
from tests.fakes.background import wait_for
from tests.kubernetes.connection import Connection, KubectlFailed
from tests.kubernetes.platforms import platform_on, until

TEAM = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: reviews}
spec:
  minReadySeconds: 1
  selector: {matchLabels: {app: reviews}}
  template:
    metadata: {labels: {app: reviews}}
    spec:
      serviceAccountName: reader
      containers:
      - name: app
        image: colorlane.local/bookshop/reviews@sha256:0000000000000000000000000000000000000000000000000000000000000000
        ports: [{name: http, containerPort: 9080}]
        envFrom: [{configMapRef: {name: settings}}]
---
apiVersion: v1
kind: Service
metadata: {name: reviews}
spec: {selector: {app: reviews}, ports: [{port: 9080, targetPort: http}]}
---
{apiVersion: v1, kind: ConfigMap, metadata: {name: settings}, data: {COLOR: green}}
---
{apiVersion: v1, kind: ServiceAccount, metadata: {name: reader}}
---
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {name: reviews}
spec: {minReplicas: 1, maxReplicas: 5, scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: reviews}}
---
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata: {name: reviews}
spec: {minAvailable: 1, selector: {matchLabels: {app: reviews}}}
"""
KINDS = "deployments,replicasets,pods,services,configmaps,secrets,horizontalpodautoscalers,poddisruptionbudgets"


@pytest.fixture
def platform(cluster: Connection, namespace: str) -> Iterator[KubernetesPlatform]:
    with platform_on(cluster.kubeconfig, Layout(namespace=namespace, repository="registry.test/team")) as made:
        yield made


def team(version: str = "v1", color: str = "", generation: int = 1) -> WorkloadSpec:
    manifests: Sequence[Manifest] = list(yaml.safe_load_all(TEAM))
    return WorkloadSpec(WorkloadKey("bookshop", "reviews", color, version), generation, "sha256:00", manifests)


def test_a_teams_objects_work_side_by_side(platform: KubernetesPlatform, cluster: Connection, namespace: str) -> None:
    first, second = team("v1"), team("v2", generation=2)
    for spec in (first, second):
        platform.apply(spec)
    for spec in (first, second):
        until(platform, spec.key, Health.READY)
    for version in ("v1", "v2"):
        name = f"reviews-{version}"
        container = cluster.get("deployment", name, namespace)["spec"]["template"]["spec"]["containers"][0]
        assert container["image"].startswith("registry.test/team/bookshop/reviews@sha256:")
        assert container["envFrom"] == [{"configMapRef": {"name": f"{name}-settings"}}]
        scaler = cluster.get("hpa", name, namespace)
        assert scaler["spec"]["scaleTargetRef"]["name"] == name
        budget = cluster.get("pdb", name, namespace)
        wait_for("the budget to count this version's pods", lambda name=name: expected(cluster, name, namespace) == 1)
        for item in (scaler, budget, cluster.get("configmap", f"{name}-settings", namespace)):
            assert item["metadata"]["ownerReferences"][0]["name"] == name
        slices = cluster.get("endpointslices", namespace=namespace, selector=f"colorlane.dev/version={version}")
        assert [each["metadata"]["labels"]["colorlane.dev/service"] for each in slices["items"]] == ["reviews"]
    assert cluster.get("service", "reviews", namespace)["spec"]["selector"]["colorlane.dev/version"] == "v1"


def test_removal_hands_the_service_on_and_leaves_nothing(
    platform: KubernetesPlatform, cluster: Connection, namespace: str
) -> None:
    first, second = team("v1"), team("v2", generation=2)
    for spec in (first, second):
        platform.apply(spec)
        until(platform, spec.key, Health.READY)
    platform.remove(first.key, 3)
    assert cluster.get("service", "reviews", namespace)["spec"]["selector"]["colorlane.dev/version"] == "v2"
    until(platform, first.key, Health.ABSENT)
    platform.remove(second.key, 4)
    until(platform, second.key, Health.ABSENT)
    wait_for("everything of it to be gone", lambda: not left(cluster, namespace))
    for kind, name in (("service", "reviews"), ("serviceaccount", "reader")):
        wait_for(f"{kind}/{name} to be gone", lambda kind=kind, name=name: gone(cluster, kind, name, namespace))


def test_a_preview_leaves_the_baselines_service_account_as_it_is(
    platform: KubernetesPlatform, cluster: Connection, namespace: str
) -> None:
    baseline, preview = team(), team(color="alice", generation=2)
    account = next(item for item in preview.manifests if item["kind"] == "ServiceAccount")
    account["metadata"]["annotations"] = {"cloud/role": "admin"}
    for spec in (baseline, preview):
        platform.apply(spec)
        until(platform, spec.key, Health.READY)
    assert "annotations" not in cluster.get("serviceaccount", "reader", namespace)["metadata"]
    platform.remove(preview.key, 3)
    until(platform, preview.key, Health.ABSENT)
    assert [each["name"] for each in cluster.get("sa", "reader", namespace)["metadata"]["ownerReferences"]] == [
        "reviews-v1"
    ]


def test_an_autoscalers_number_is_its_own(platform: KubernetesPlatform, cluster: Connection, namespace: str) -> None:
    spec = team()
    platform.apply(spec)
    cluster.kubectl("scale", "deployment/reviews-v1", "--replicas=3", f"--namespace={namespace}")
    platform.apply(replace(spec, generation=2))
    assert cluster.get("deployment", "reviews-v1", namespace)["spec"]["replicas"] == 3
    platform.apply(replace(spec, generation=3, replicas=0))
    assert until(platform, spec.key, Health.READY).wanted == 0
    platform.apply(replace(spec, generation=4))
    assert until(platform, spec.key, Health.READY).wanted == 1


def test_stable_keeps_the_capacity_to_take_traffic_back(
    platform: KubernetesPlatform, cluster: Connection, namespace: str
) -> None:
    stable, candidate = team("v1"), team("v2", generation=2)
    platform.apply(stable)
    cluster.kubectl("scale", "deployment/reviews-v1", "--replicas=4", f"--namespace={namespace}")
    platform.apply(candidate)
    assert minimum(cluster, "reviews-v1", namespace) == 4
    assert minimum(cluster, "reviews-v2", namespace) == 1
    platform.remove(candidate.key, 3)
    assert minimum(cluster, "reviews-v1", namespace) == 1


def test_a_service_of_somebody_else_is_not_taken(
    platform: KubernetesPlatform, cluster: Connection, namespace: str
) -> None:
    theirs = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "reviews"}}
    theirs["spec"] = {"selector": {"app": "old"}, "ports": [{"port": 9080}]}
    cluster.apply(theirs, namespace=namespace)
    with pytest.raises(Rejected) as refused:
        platform.apply(team())
    assert f"label service reviews colorlane.dev/project={'bookshop'}" in refused.value.remedy
    assert left(cluster, namespace) == []
    cluster.kubectl("label", "service", "reviews", "colorlane.dev/project=bookshop", f"--namespace={namespace}")
    platform.apply(team())
    assert cluster.get("service", "reviews", namespace)["spec"]["selector"]["colorlane.dev/version"] == "v1"


def test_changes_by_hand_are_shown_and_taken_back(
    platform: KubernetesPlatform, cluster: Connection, namespace: str
) -> None:
    spec = replace(team(), manifests=[item for item in team().manifests if item["kind"] != "HorizontalPodAutoscaler"])
    spec.manifests[0]["spec"]["replicas"] = 1
    platform.apply(spec)
    assert platform.drift(spec.key) == ()
    cluster.kubectl("scale", "deployment/reviews-v1", "--replicas=2", f"--namespace={namespace}")
    cluster.kubectl("delete", "configmap", "reviews-v1-settings", f"--namespace={namespace}")
    scaled, deleted = platform.drift(spec.key)
    assert scaled.startswith("Deployment/reviews-v1 .spec.replicas: by kubectl")
    assert deleted == "ConfigMap/reviews-v1-settings: was deleted"
    platform.apply(replace(spec, generation=2))
    assert platform.drift(spec.key) == ()
    deployment = cluster.get("deployment", "reviews-v1", namespace)
    assert deployment["spec"]["replicas"] == 1
    assert deployment["metadata"]["annotations"]["colorlane.dev/taken-from"].endswith("Deployment .spec.replicas")


def test_a_preview_in_a_namespace_of_its_own_is_bounded_and_goes_with_its_last_workload(
    cluster: Connection, namespace: str
) -> None:
    own = f"{namespace}-alice"
    with platform_on(cluster.kubeconfig, Layout(namespace=namespace, own_previews=True)) as platform:
        spec = team(color="alice")
        platform.apply(spec)
        until(platform, spec.key, Health.READY)
        assert [each.key for each in platform.list("bookshop")] == [spec.key]
        assert cluster.get("service", "reviews", own)["spec"]["selector"]["colorlane.dev/color"] == "alice"
        assert cluster.get("resourcequota", "colorlane-preview", own)["spec"]["hard"] == {"pods": "50"}
        rule = cluster.get("networkpolicy", "colorlane-preview", own)["spec"]["ingress"][0]
        callers = [each["namespaceSelector"]["matchLabels"] for each in rule["from"][1:]]
        assert callers == [{"kubernetes.io/metadata.name": name} for name in (namespace, "colorlane")]
        platform.remove(spec.key, 2)
        wait_for("the namespace to be gone", lambda: gone(cluster, "namespace", own, ""))
        assert until(platform, spec.key, Health.ABSENT)
        assert platform.list("bookshop") == []


def expected(cluster: Connection, budget: str, namespace: str) -> int:
    return int(cluster.get("pdb", budget, namespace).get("status", {}).get("expectedPods", 0))


def minimum(cluster: Connection, scaler: str, namespace: str) -> int:
    return int(cluster.get("hpa", scaler, namespace)["spec"]["minReplicas"])


def left(cluster: Connection, namespace: str) -> list[str]:
    found: dict[str, Any] = cluster.get(KINDS, namespace=namespace, selector="colorlane.dev/version")
    return [f"{each['kind']}/{each['metadata']['name']}" for each in found["items"]]


def gone(cluster: Connection, kind: str, name: str, namespace: str) -> bool:
    try:
        cluster.get(kind, name, namespace)
    except KubectlFailed as error:
        return "NotFound" in str(error)
    return False
