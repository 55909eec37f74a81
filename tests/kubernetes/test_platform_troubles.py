"""What goes wrong with workloads on a cluster is said in words: a real API server, kwok's pods fail as told."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from delivery.adapters.platform_kubernetes import KubernetesPlatform, Layout
from delivery.errors import Conflict, Rejected, Transient
from delivery.workloads import Health, WorkloadKey, WorkloadSpec
from tests.fakes.background import wait_for
from tests.fakes.workloads import workload
from tests.kubernetes.cluster import Cluster
from tests.kubernetes.connection import Connection
from tests.kubernetes.platforms import platform_on, through_a_proxy, until


@pytest.fixture
def platform(cluster: Connection, namespace: str) -> Iterator[KubernetesPlatform]:
    with platform_on(cluster.kubeconfig, Layout(namespace=namespace)) as made:
        yield made


def failing(outcome: str, tmp_path: Path) -> WorkloadSpec:
    return workload(tmp_path, container={"image": f"registry.test/reviews:outcome-{outcome}"})


@pytest.mark.parametrize(
    ("outcome", "health", "words"),
    [
        ("image-pull-backoff", Health.FAILING, ["ImagePullBackOff: "]),
        ("crash-loop", Health.FAILING, ["CrashLoopBackOff: container reviews ended with exit code 1", "restart"]),
        ("oom-killed", Health.FAILING, ["more memory than its limit (OOMKilled)"]),
        ("config-error", Health.FAILING, ["CreateContainerConfigError: container reviews: secret not found"]),
    ],
)
def test_a_pod_that_fails_says_why(
    platform: KubernetesPlatform, tmp_path: Path, outcome: str, health: Health, words: list[str]
) -> None:
    spec = failing(outcome, tmp_path)
    platform.apply(spec)
    status = until(platform, spec.key, health)
    assert all(each in status.reason for each in words), status.reason
    assert (status.ready, status.wanted) == (0, 1)


def test_a_probe_that_fails_is_quoted(platform: KubernetesPlatform, tmp_path: Path) -> None:
    spec = failing("never-ready", tmp_path)
    platform.apply(spec)
    reason = wait_for("the probe's words", lambda: said(platform, spec.key, "robe"))
    assert platform.status(spec.key).health is Health.STARTING, reason


def test_a_flapping_pod_is_never_called_ready_for_long(platform: KubernetesPlatform, tmp_path: Path) -> None:
    spec = failing("flapping", tmp_path)
    platform.apply(spec)
    wait_for("the flapping to be seen", lambda: said(platform, spec.key, "flapping: it lost its readiness"))
    assert platform.status(spec.key).health is not Health.READY


def test_a_full_quota_is_the_reason(
    platform: KubernetesPlatform, cluster: Connection, namespace: str, tmp_path: Path
) -> None:
    quota = {
        "apiVersion": "v1",
        "kind": "ResourceQuota",
        "metadata": {"name": "small"},
        "spec": {"hard": {"pods": "1"}},
    }
    cluster.apply(quota, namespace=namespace)
    wait_for("the quota", lambda: cluster.get("resourcequota", "small", namespace).get("status", {}).get("hard"))
    spec = workload(tmp_path, replicas=2)
    platform.apply(spec)
    wait_for("the quota's words", lambda: said(platform, spec.key, "exceeded quota: small"))
    assert platform.status(spec.key).ready <= 1


def test_a_pod_that_fits_nowhere_quotes_the_scheduler(platform: KubernetesPlatform, tmp_path: Path) -> None:
    spec = workload(tmp_path, pod={"nodeSelector": {"disk": "none-has-it"}})
    platform.apply(spec)
    wait_for("the scheduler's words", lambda: said(platform, spec.key, "Unschedulable: 0/3 nodes are available"))


def test_missing_rights_are_named_with_what_to_grant(cluster: Connection, namespace: str, tmp_path: Path) -> None:
    nobody = cluster.service_account_kubeconfig(namespace, "nobody")
    with platform_on(nobody, Layout(namespace=namespace)) as platform:
        spec = workload(tmp_path)
        with pytest.raises(Rejected) as refused:
            platform.apply(spec)
        assert f"system:serviceaccount:{namespace}:nobody" in refused.value.remedy
        assert refused.value.remedy.startswith("grant get on configmaps")
        with pytest.raises(Rejected, match="cannot get resource"):
            platform.status(spec.key)


def test_a_namespace_that_may_not_be_made_says_so(cluster: Connection, namespace: str, tmp_path: Path) -> None:
    kubeconfig = cluster.service_account_kubeconfig(namespace, "worker")
    account = f"--serviceaccount={namespace}:worker"
    cluster.kubectl("create", "clusterrole", namespace, "--verb=get", "--resource=namespaces")
    cluster.kubectl("create", "clusterrolebinding", namespace, f"--clusterrole={namespace}", account)
    try:
        with platform_on(kubeconfig, Layout(namespace=f"{namespace}-none")) as platform:

            def refusal() -> str:
                with pytest.raises(Rejected) as refused:
                    platform.apply(workload(tmp_path))
                return refused.value.remedy

            wait_for("the right to look", lambda: refusal().startswith(f"kubectl create namespace {namespace}-none"))
    finally:
        cluster.kubectl("delete", "clusterrole,clusterrolebinding", namespace)


def test_a_field_that_cannot_change_is_found_before_anything_is_written(
    platform: KubernetesPlatform, cluster: Connection, namespace: str, tmp_path: Path
) -> None:
    spec = workload(tmp_path, generation=1)
    platform.apply(spec)
    before = cluster.get("deployment", "reviews-alice-v1", namespace)["metadata"]["generation"]
    changed = workload(tmp_path, generation=2)
    deployment = dict(changed.manifests[0])
    labels = {"app": "another"}
    deployment["spec"] = deployment["spec"] | {"selector": {"matchLabels": labels}}
    deployment["spec"]["template"] = deployment["spec"]["template"] | {"metadata": {"labels": labels}}
    with pytest.raises(Rejected) as refused:
        platform.apply(replace(changed, manifests=[deployment, *changed.manifests[1:]]))
    assert "Deployment/reviews-alice-v1" in refused.value.message
    assert refused.value.field == "spec.selector"
    assert "cannot be changed in place" in refused.value.remedy
    after = cluster.get("deployment", "reviews-alice-v1", namespace)["metadata"]
    assert (after["generation"], after["annotations"]["colorlane.dev/generation"]) == (before, "1")


def test_an_unknown_field_is_the_manifests_fault(platform: KubernetesPlatform, tmp_path: Path) -> None:
    with pytest.raises(Rejected, match="field not declared in schema"):
        platform.apply(workload(tmp_path, pod={"noSuchField": 1}))


def test_a_writer_who_never_rests_does_not_keep_us_out(
    platform: KubernetesPlatform, cluster: Connection, namespace: str, tmp_path: Path
) -> None:
    spec = workload(tmp_path, generation=1)
    platform.apply(spec)
    ended, writes = threading.Event(), []

    def storm() -> None:
        path = f"/apis/apps/v1/namespaces/{namespace}/deployments/reviews-alice-v1"
        with cluster.http() as http:
            while not ended.is_set():
                body = {"metadata": {"annotations": {"storm": str(len(writes))}}}
                answer = http.patch(path, json=body, headers={"content-type": "application/merge-patch+json"})
                writes.append(answer.status_code)

    writer = threading.Thread(target=storm)
    writer.start()
    try:
        wait_for("the storm", lambda: len(writes) > 5)
        for generation in range(2, 7):
            platform.apply(replace(spec, generation=generation))
    finally:
        ended.set()
        writer.join()
    metadata = cluster.get("deployment", "reviews-alice-v1", namespace)["metadata"]
    assert metadata["annotations"]["colorlane.dev/generation"] == "6"
    assert metadata["annotations"]["storm"] == str(len(writes) - 1)
    assert set(writes) == {200}


def test_two_processes_at_once_leave_what_the_newer_one_wanted(
    cluster: Connection, namespace: str, tmp_path: Path
) -> None:
    layout = Layout(namespace=namespace)
    with platform_on(cluster.kubeconfig, layout) as older, platform_on(cluster.kubeconfig, layout) as newer:
        for turn in range(8):
            spec = workload(tmp_path, version=f"v{turn}", generation=5)
            together(
                lambda spec=spec: older.apply(spec),
                lambda spec=spec: newer.remove(spec.key, 6),
                lambda spec=spec: older.apply(spec),
            )
            until(newer, spec.key, Health.ABSENT)
            assert not leftovers(cluster, namespace, spec.key)
        for turn in range(4):
            spec = workload(tmp_path, version=f"w{turn}", generation=5)
            together(
                lambda spec=spec: older.apply(spec),
                lambda spec=spec: newer.apply(replace(spec, generation=6, replicas=2)),
            )
            deployment = cluster.get("deployment", f"reviews-alice-w{turn}", namespace)
            assert deployment["metadata"]["annotations"]["colorlane.dev/generation"] == "6"
            assert deployment["spec"]["replicas"] == 2
            assert not deployment["spec"].get("paused")


def test_a_cut_watch_catches_up(cluster: Connection, namespace: str, tmp_path: Path) -> None:
    with through_a_proxy(cluster, namespace, tmp_path) as (platform, proxy):
        spec = workload(tmp_path, generation=1)
        platform.apply(spec)
        until(platform, spec.key, Health.READY)
        wait_for("the watches", lambda: platform.readings.current)
        proxy.cut()
        wait_for("the loss to be noticed", lambda: not platform.readings.current)
        with pytest.raises(Transient, match="does not answer"):
            platform.list("bookshop")
        cluster.kubectl("delete", "deployment", "reviews-alice-v1", f"--namespace={namespace}")
        proxy.mend()
        until(platform, spec.key, Health.ABSENT)
        wait_for("the watches", lambda: platform.readings.current)
        assert platform.status(spec.key).health is Health.ABSENT


def test_a_restarted_api_server_is_found_again(own_cluster: Cluster, namespace: str, tmp_path: Path) -> None:
    with platform_on(own_cluster.kubeconfig, Layout(namespace=namespace)) as platform:
        spec = workload(tmp_path, generation=1)
        platform.apply(spec)
        until(platform, spec.key, Health.READY)
        wait_for("the watches", lambda: platform.readings.current)
        own_cluster.kill_apiserver()
        with pytest.raises(Transient):
            platform.apply(replace(spec, generation=2))
        own_cluster.start_apiserver()
        own_cluster.kubectl("annotate", "deployment", "reviews-alice-v1", "a=b", f"--namespace={namespace}")
        own_cluster.compact()
        platform.apply(replace(spec, generation=2, replicas=2))
        # The fake nodes have lost their watches too, and take their time to try again.
        assert until(platform, spec.key, Health.READY, 90.0).wanted == 2
        wait_for("the watches", lambda: platform.readings.current)
        platform.remove(spec.key, 3)
        until(platform, spec.key, Health.ABSENT)


def test_a_throttling_api_server_is_waited_for(new_cluster: Callable[..., Cluster], tmp_path: Path) -> None:
    limits = ("--enable-priority-and-fairness=false", "--max-mutating-requests-inflight=1")
    busy = new_cluster(nodes=0, controllers=False, apiserver_flags=limits)

    def deploy(platform: KubernetesPlatform, turn: int) -> None:
        for _ in range(10):  # what a flow does with Transient: the same call again
            with contextlib.suppress(Transient):
                return platform.apply(workload(tmp_path, version=f"v{turn}"))

    account = busy.service_account_kubeconfig("default", "worker")  # the cluster's masters are never throttled
    everything = ("--clusterrole=cluster-admin", "--serviceaccount=default:worker")
    busy.kubectl("create", "clusterrolebinding", "worker", *everything)
    with platform_on(account, Layout(namespace="default")) as platform:
        together(*(lambda turn=turn: deploy(platform, turn) for turn in range(8)))
    assert len(busy.get("deployments", namespace="default")["items"]) == 8
    with busy.http() as http:
        assert 'code="429"' in http.get("/metrics").text


def said(platform: KubernetesPlatform, key: WorkloadKey, words: str) -> str:
    reason = platform.status(key).reason
    return reason if words in reason else ""


def together(*calls: Callable[[], Any]) -> None:
    """Do all at once; a refusal as older, or because the object is just ending, is as good as done."""
    crashed: list[BaseException] = []
    barrier = threading.Barrier(len(calls))

    def one(call: Callable[[], Any]) -> None:
        barrier.wait()
        try:
            call()
        except (Conflict, Transient):
            pass
        except BaseException as error:
            crashed.append(error)

    threads = [threading.Thread(target=one, args=(call,)) for call in calls]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert not crashed, crashed


def leftovers(cluster: Connection, namespace: str, key: WorkloadKey) -> list[str]:
    chosen = f"colorlane.dev/version={key.version}"
    kinds = "deployments,replicasets,pods,services,configmaps,secrets"
    found = wait_for("an answer", lambda: cluster.get(kinds, namespace=namespace, selector=chosen))
    return [f"{each['kind']}/{each['metadata']['name']}" for each in found["items"]]
