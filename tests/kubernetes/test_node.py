"""The real node: pods run, are probed, reached by the name of their Service, and end."""

from __future__ import annotations

import contextlib
from typing import Any

import httpx

from tests.fakes.background import wait_for
from tests.kubernetes.node import WEB, RealNode


def web(version: str, **environment: str) -> list[dict[str, Any]]:
    """Return a Deployment of two replicas that are probed, and its Service."""
    variables = [{"name": name, "value": value} for name, value in {"VERSION": version, **environment}.items()]
    container = {
        "name": "web",
        "image": WEB,
        "env": variables,
        "ports": [{"containerPort": 8080}],
        "readinessProbe": {"httpGet": {"path": "/ready", "port": 8080}, "periodSeconds": 1},
    }
    labels = {"app": "web"}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [container]}}
    spec = {"replicas": 2, "selector": {"matchLabels": labels}, "template": template}
    service = {"selector": labels, "ports": [{"port": 80, "targetPort": 8080}]}
    return [
        {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}, "spec": spec},
        {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"}, "spec": service},
    ]


def rolled_out(node: RealNode, namespace: str) -> list[dict[str, Any]]:
    """Wait for the Deployment; return its pods that stay."""
    node.cluster.kubectl("rollout", "status", "deployment/web", f"--namespace={namespace}", "--timeout=60s")
    found = node.cluster.get("pods", namespace=namespace, selector="app=web")["items"]
    return [pod for pod in found if "deletionTimestamp" not in pod["metadata"]]


def get(url: str) -> dict[str, Any]:
    """Return the JSON that a pod answers, asked from this machine."""
    answer: dict[str, Any] = httpx.get(url, timeout=5, trust_env=False).raise_for_status().json()
    return answer


def test_pods_run_and_answer(real_node: RealNode, real_namespace: str) -> None:
    real_node.cluster.apply(*web("one"), namespace=real_namespace)
    pods = rolled_out(real_node, real_namespace)
    answers = [get(f"http://{pod['status']['podIP']}:8080/") for pod in pods]
    assert sorted(answer["pod"] for answer in answers) == sorted(pod["metadata"]["name"] for pod in pods)


def fetched(pod: dict[str, Any], url: str) -> str:
    """Return what the pod is answered, or is told went wrong; "" if it waits too long."""
    with contextlib.suppress(httpx.TimeoutException):
        fetch = f"http://{pod['status']['podIP']}:8080/fetch"
        return httpx.get(fetch, params={"url": url}, timeout=2, trust_env=False).text
    return ""


def test_a_pod_reaches_the_others_by_the_name_of_their_service(real_node: RealNode, real_namespace: str) -> None:
    real_node.cluster.apply(*web("one"), namespace=real_namespace)
    caller, *_ = rolled_out(real_node, real_namespace)
    wait_for("DNS and kube-proxy know the Service", lambda: '"version":"one"' in fetched(caller, "http://web/"))


def test_a_pod_reaches_the_api_server(real_node: RealNode, real_namespace: str) -> None:
    real_node.cluster.apply(*web("one"), namespace=real_namespace)
    caller, *_ = rolled_out(real_node, real_namespace)
    refused = "certificate signed by unknown authority"  # so it was shown one; the pod has not been told to trust it
    wait_for("the API server's certificate", lambda: refused in fetched(caller, "https://kubernetes.default/"))


def test_logs_come_from_the_container(real_node: RealNode, real_namespace: str) -> None:
    real_node.cluster.apply(*web("one"), namespace=real_namespace)
    rolled_out(real_node, real_namespace)
    assert "listening on :8080" in real_node.cluster.kubectl("logs", "deployment/web", f"--namespace={real_namespace}")


def test_a_pod_that_is_not_ready_stops_the_rollout(real_node: RealNode, real_namespace: str) -> None:
    real_node.cluster.apply(*web("one"), namespace=real_namespace)
    before = {pod["metadata"]["name"] for pod in rolled_out(real_node, real_namespace)}
    real_node.cluster.apply(*web("two", READY="no"), namespace=real_namespace)

    def refused() -> bool:
        events = real_node.cluster.get("events", namespace=real_namespace)["items"]
        return any("Readiness probe failed" in event["message"] for event in events)

    wait_for("a failed probe of the new pod", refused)
    ready = [
        pod["metadata"]["name"]
        for pod in real_node.cluster.get("pods", namespace=real_namespace)["items"]
        if any(one["type"] == "Ready" and one["status"] == "True" for one in pod["status"]["conditions"])
    ]
    assert set(ready) == before
