"""The test cluster itself: what the other tests here rely on."""

from __future__ import annotations

import contextlib
import json
from functools import partial
from typing import Any

import httpx
import pytest

from tests.fakes.background import wait_for
from tests.kubernetes.cluster import POD_LOG, Cluster
from tests.kubernetes.connection import Connection, KubectlFailed


def deployment(name: str, image: str = "registry.test/shop/web:1", **annotations: str) -> dict[str, Any]:
    """Return a Deployment of one replica."""
    template = {
        "metadata": {
            "labels": {"app": name},
            "annotations": {f"colorlane.test/{key}": v for key, v in annotations.items()},
        },
        "spec": {"containers": [{"name": "web", "image": image}]},
    }
    spec = {"selector": {"matchLabels": {"app": name}}, "template": template}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name}, "spec": spec}


def pods(cluster: Connection, namespace: str, app: str) -> list[dict[str, Any]]:
    """Return the pods of a Deployment."""
    found: list[dict[str, Any]] = cluster.get("pods", namespace=namespace, selector=f"app={app}")["items"]
    return found


def condition(pod: dict[str, Any], kind: str) -> str:
    """Return the status of a condition, "" if it has none."""
    conditions = pod["status"].get("conditions", [])
    return next((str(one["status"]) for one in conditions if one["type"] == kind), "")


def readiness(cluster: Connection, namespace: str) -> list[str]:
    """Return the condition Ready of every pod of `web`."""
    return [condition(pod, "Ready") for pod in pods(cluster, namespace, "web")]


def is_ready(cluster: Connection, namespace: str, wanted: str) -> bool:
    """Whether the only pod of `web` has this condition Ready."""
    return readiness(cluster, namespace) == [wanted]


def test_a_deployment_becomes_available_and_its_pods_have_addresses(cluster: Connection, namespace: str) -> None:
    cluster.apply(deployment("web"), namespace=namespace)
    cluster.kubectl("rollout", "status", "deployment/web", f"--namespace={namespace}", "--timeout=30s")
    (pod,) = pods(cluster, namespace, "web")
    assert pod["status"]["podIP"]
    assert pod["spec"]["nodeName"]


def test_logs_and_commands_of_a_fake_pod(own_cluster: Cluster, namespace: str) -> None:
    own_cluster.apply(deployment("web"), namespace=namespace)
    own_cluster.kubectl("rollout", "status", "deployment/web", f"--namespace={namespace}", "--timeout=30s")
    where = ("deployment/web", f"--namespace={namespace}")
    assert own_cluster.kubectl("logs", *where).splitlines() == [line for _, line in POD_LOG]
    assert own_cluster.kubectl("exec", *where, "--", "echo", "hello") == "hello\n"


@pytest.mark.parametrize(
    ("outcome", "reason"),
    [
        ("image-pull-backoff", "ImagePullBackOff"),
        ("config-error", "CreateContainerConfigError"),
        ("crash-loop", "CrashLoopBackOff"),
        ("oom-killed", "CrashLoopBackOff"),
    ],
)
def test_a_pod_fails_as_its_image_says(cluster: Connection, namespace: str, outcome: str, reason: str) -> None:
    cluster.apply(deployment("web", f"registry.test/web:outcome-{outcome}"), namespace=namespace)

    def waiting() -> str | None:
        statuses = [
            status for pod in pods(cluster, namespace, "web") for status in pod["status"].get("containerStatuses", [])
        ]
        return next((str(status["state"]["waiting"]["reason"]) for status in statuses), None)

    assert wait_for("the container's state", waiting) == reason


def test_a_pod_never_gets_ready_as_its_annotation_says(cluster: Connection, namespace: str) -> None:
    cluster.apply(deployment("web", outcome="never-ready"), namespace=namespace)

    def warned() -> bool:
        events = cluster.get("events", namespace=namespace)["items"]
        return any(event["reason"] == "Unhealthy" for event in events)

    wait_for("an event Unhealthy", warned)
    (pod,) = pods(cluster, namespace, "web")
    assert (pod["status"]["phase"], condition(pod, "Ready")) == ("Running", "False")


def test_a_pod_flaps(cluster: Connection, namespace: str) -> None:
    cluster.apply(deployment("web", outcome="flapping"), namespace=namespace)
    for expected in ("True", "False", "True"):
        wait_for(f"Ready={expected}", partial(is_ready, cluster, namespace, expected))


def test_a_late_pod_and_a_slow_end(cluster: Connection, namespace: str) -> None:
    cluster.apply(deployment("web", **{"ready-after": "1s", "stop-after": "1s"}), namespace=namespace)
    wait_for("a pod that is not ready yet", lambda: readiness(cluster, namespace) == [""])
    wait_for("the pod is ready", lambda: readiness(cluster, namespace) == ["True"])
    cluster.kubectl("delete", "deployment/web", f"--namespace={namespace}", "--wait=false")
    wait_for(
        "the pod terminates",
        lambda: ["deletionTimestamp" in p["metadata"] for p in pods(cluster, namespace, "web")] == [True],
    )
    wait_for("the pod is gone", lambda: not pods(cluster, namespace, "web"))


def test_a_service_account_may_do_what_is_bound_to_it_only(cluster: Connection, namespace: str) -> None:
    limited = cluster.service_account_kubeconfig(namespace, "limited")
    cluster.kubectl("create", "role", "reader", "--verb=list", "--resource=pods", f"--namespace={namespace}")
    bound = (f"--serviceaccount={namespace}:limited", f"--namespace={namespace}")
    cluster.kubectl("create", "rolebinding", "reader", "--role=reader", *bound)
    client = Connection(limited, limited.parent)
    assert wait_for("the right to list", lambda: may_list(client, "pods", namespace))
    with pytest.raises(KubectlFailed, match="forbidden"):
        client.get("secrets", namespace=namespace)


def may_list(client: Connection, kind: str, namespace: str) -> bool:
    """Whether the client may; the API server learns of a new binding a moment later."""
    with contextlib.suppress(KubectlFailed):
        client.get(kind, namespace=namespace)
        return True
    return False


def make_maps(client: httpx.Client, namespace: str, count: int) -> None:
    for number in range(count):
        content = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": f"map-{number}"}}
        client.post(f"/api/v1/namespaces/{namespace}/configmaps", json=content).raise_for_status()


def test_a_list_that_goes_on_after_history_was_forgotten_is_expired(own_cluster: Cluster, namespace: str) -> None:
    maps = f"/api/v1/namespaces/{namespace}/configmaps"
    with own_cluster.http() as client:
        make_maps(client, namespace, 3)
        page = client.get(maps, params={"limit": "1"}).json()
        client.delete(f"{maps}/map-0").raise_for_status()
        own_cluster.compact()
        own_cluster.restart_apiserver()
    with own_cluster.http() as client:
        answer = client.get(maps, params={"limit": "1", "continue": page["metadata"]["continue"]})
    assert (answer.status_code, answer.json()["reason"]) == (410, "Expired")


def test_a_watch_from_before_a_restart_is_gone(own_cluster: Cluster, namespace: str) -> None:
    maps = f"/api/v1/namespaces/{namespace}/configmaps"
    with own_cluster.http() as client:
        version = client.get(maps).json()["metadata"]["resourceVersion"]
        make_maps(client, namespace, 2)
        own_cluster.compact()
        own_cluster.restart_apiserver()
    with own_cluster.http() as client:
        params = {"watch": "1", "resourceVersion": version, "timeoutSeconds": "10"}
        with client.stream("GET", maps, params=params) as watch:
            first = json.loads(next(watch.iter_lines()))
    assert (first["type"], first["object"]["code"]) == ("ERROR", 410)


def test_a_killed_api_server_comes_back_with_everything(own_cluster: Cluster, namespace: str) -> None:
    own_cluster.apply(deployment("web"), namespace=namespace)
    own_cluster.kill_apiserver()
    with own_cluster.http() as client, pytest.raises(httpx.ConnectError):
        client.get("/readyz")
    own_cluster.start_apiserver()
    own_cluster.kubectl("rollout", "status", "deployment/web", f"--namespace={namespace}", "--timeout=60s")


def test_a_frozen_api_server_keeps_connections_and_answers_nothing(own_cluster: Cluster) -> None:
    with own_cluster.http() as client:
        client.get("/readyz").raise_for_status()
        own_cluster.pause("kube-apiserver")
        try:
            with pytest.raises(httpx.ReadTimeout):
                client.get("/readyz", timeout=0.5)
        finally:
            own_cluster.resume("kube-apiserver")
        client.get("/readyz").raise_for_status()
