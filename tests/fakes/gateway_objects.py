"""Small objects of the Gateway API to test with: a class, a Gateway with one listener, a route for `shop.test`."""

from __future__ import annotations

from typing import Any

from mesh.sources.kubernetes.gateways import CONTROLLER

Item = dict[str, Any]
NOW, LATER = "2026-11-22T10:00:00Z", "2026-11-22T11:00:00Z"
CLASS = {"metadata": {"name": "colorlane", "generation": 1}, "spec": {"controllerName": CONTROLLER}}
PREFIX = {"path": {"type": "PathPrefix", "value": "/"}}


def gateway(name: str = "main", **listener: Any) -> Item:
    listeners = [{"name": "web", "port": 80, "protocol": "HTTP", **listener}]
    spec = {"gatewayClassName": "colorlane", "listeners": listeners}
    return {"metadata": {"name": name, "namespace": "shop", "generation": 2}, "spec": spec}


def rule(**more: Any) -> Item:
    return {"matches": [PREFIX], "backendRefs": [{"name": "web", "port": 80}], **more}


def route(name: str = "web", *rules: Item, created: str = NOW, namespace: str = "shop", **spec: Any) -> Item:
    spec = {
        "parentRefs": [{"name": "main", "namespace": "shop"}],
        "hostnames": ["shop.test"],
        "rules": list(rules) or [rule()],
        **spec,
    }
    return {
        "metadata": {"name": name, "namespace": namespace, "generation": 3, "creationTimestamp": created},
        "spec": spec,
    }


def lookup(namespace: str, name: str) -> tuple[str, frozenset[int]] | None:
    return (namespace, frozenset({80})) if name == "web" else None
