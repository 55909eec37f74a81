"""Gateway API with its own CRDs on a real API server: a route exposes a namespace, its conditions tell the truth.

The CRDs are those of the Go module `sigs.k8s.io/gateway-api`, which `go mod download` fetches into its cache.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.background import wait_for
from tests.kubernetes.cluster import Cluster
from tests.kubernetes.test_registry import Start, service, start

__all__ = ["start"]

MODULE = "sigs.k8s.io/gateway-api@v1.3.0"
API = "gateway.networking.k8s.io/v1"


@pytest.fixture
def crds() -> Path:
    """The folder of the standard channel's CRDs."""
    if shutil.which("go") is None:
        pytest.skip("needs Go, which fetches the CRDs of the Gateway API")
    done = subprocess.run(["go", "mod", "download", "-json", MODULE], capture_output=True, text=True, cwd="/")
    if done.returncode != 0:
        pytest.skip(f"go mod download {MODULE}: {done.stderr or done.stdout}")
    return Path(json.loads(done.stdout)["Dir"]) / "config/crd/standard"


def objects() -> list[dict[str, Any]]:
    """Return a class, a Gateway and a route that the mesh takes, and one that it does not."""
    listener = {"name": "web", "port": 80, "protocol": "HTTP"}
    rule = {"backendRefs": [{"name": "web", "port": 9080}]}
    refused = {**rule, "matches": [{"headers": [{"name": "x-user", "value": "me"}]}]}
    gateway = {"gatewayClassName": "colorlane", "listeners": [listener]}
    return [
        kind("GatewayClass", "colorlane", {"controllerName": "colorlane.dev/gateway"}),
        kind("Gateway", "main", gateway, "shop"),
        kind(
            "HTTPRoute", "good", {"parentRefs": [{"name": "main"}], "hostnames": ["shop.test"], "rules": [rule]}, "shop"
        ),
        kind(
            "HTTPRoute", "bad", {"parentRefs": [{"name": "main"}], "hostnames": ["b.test"], "rules": [refused]}, "shop"
        ),
    ]


def kind(of: str, name: str, spec: dict[str, Any], namespace: str = "") -> dict[str, Any]:
    """Return an object of the Gateway API."""
    metadata = {"name": name, **({"namespace": namespace} if namespace else {})}
    return {"apiVersion": API, "kind": of, "metadata": metadata, "spec": spec}


def conditions(own: Cluster, route: str) -> dict[str, tuple[str, str]]:
    """Return what the mesh says of a route: type -> status and message."""
    parents = own.get("httproute", route, "shop").get("status", {}).get("parents") or []
    return {each["type"]: (each["status"], each["message"]) for one in parents for each in one["conditions"]}


def test_routes_are_taken_or_refused_in_their_status(
    new_cluster: Callable[..., Cluster], start: Start, crds: Path
) -> None:
    own = new_cluster(nodes=0, controllers=False)
    for name in ("gatewayclasses", "gateways", "httproutes"):
        own.kubectl("apply", "--server-side", f"--filename={crds}/gateway.networking.k8s.io_{name}.yaml")
    own.kubectl("wait", "--for=condition=Established", "crd", "--all", "--timeout=60s")
    own.kubectl("create", "namespace", "shop")
    own.apply(service("web", {"app": "web"}), namespace="shop")
    own.apply(*objects())
    plane = start(own.kubeconfig)
    wait_for("a verdict", lambda: conditions(own, "good").get("Accepted") == ("True", ""))
    assert conditions(own, "good")["colorlane.dev/Programmed"] == ("False", "no gateway is connected")
    said = "spec.rules[0].matches[0].headers: not supported yet"
    assert wait_for("a refusal", lambda: conditions(own, "bad").get("Accepted")) == ("False", said)
    plane.start_gateway()
    wait_for("all ACKs", lambda: conditions(own, "good")["colorlane.dev/Programmed"][0] == "True")
    status = own.get("gateway", "main", "shop")["status"]
    assert {each["type"]: each["status"] for each in status["conditions"]} == {"Accepted": "True", "Programmed": "True"}
    assert status["listeners"][0]["attachedRoutes"] == 1
    answer = plane.ask("shop.test")
    assert answer[0] == 503
    assert "web" in answer[1]
    version = own.get("httproute", "good", "shop")["metadata"]["resourceVersion"]
    own.kubectl("delete", "httproute", "bad", "--namespace=shop")
    own.kubectl("delete", "service", "web", "--namespace=shop")
    wait_for("the missing Service", lambda: conditions(own, "good")["ResolvedRefs"][0] == "False")
    assert own.get("httproute", "good", "shop")["metadata"]["resourceVersion"] != version
    wait_for("nobody there", lambda: plane.ask("shop.test")[0] == 404)
