"""Pods without the sidecar that they should have are found, whole and over all pages; others are not."""

from __future__ import annotations

from typing import Any, cast

from mesh.apiserver import ApiServer
from mesh.errors import NotFound
from mesh.injection import Options, inject
from mesh.model.pods import INJECT
from mesh.webhook.missed import Patrol, missed

OPTIONS = Options("i", "c")


def pod(name: str, label: str = "", phase: str = "Running", **spec: Any) -> dict[str, Any]:
    labels = {INJECT: label} if label else {}
    spec = {"containers": [{"name": "app"}], **spec}
    return {"metadata": {"name": name, "labels": labels}, "spec": spec, "status": {"phase": phase}}


def namespace(name: str, **labels: str) -> dict[str, Any]:
    return {"metadata": {"name": name, "labels": {f"colorlane.dev/{key}": value for key, value in labels.items()}}}


PODS = [
    pod("silent"),
    pod("asking", "true"),
    pod("refusing", "false"),
    pod("host", "true", hostNetwork=True),
    pod("ended", "true", phase="Succeeded"),
    inject(pod("whole", "true"), OPTIONS),
]


def test_who_asked_is_missed() -> None:
    assert missed(PODS, namespace("shop"), OPTIONS) == ["shop/asking"]
    assert missed(PODS, namespace("shop", inject="enabled"), OPTIONS) == ["shop/silent", "shop/asking"]
    assert missed(PODS, namespace("shop", inject="enabled", revision="green"), OPTIONS) == []
    assert missed(PODS, namespace("kube-system", inject="enabled"), OPTIONS) == []


async def test_all_pages_of_all_namespaces_are_read() -> None:
    asked: list[tuple[str, dict[str, Any]]] = []

    class Cluster:
        async def get(self, path: str, query: dict[str, Any] | None = None) -> dict[str, Any]:
            asked.append((path, dict(query or {})))
            if path.endswith("/namespaces"):
                names = [namespace("shop", inject="enabled"), namespace("other"), namespace("colorlane")]
                return {"items": [*names, namespace("kube-system")]}
            if path.endswith("/namespaces/other"):
                return namespace("other")
            if path.endswith("/namespaces/gone"):
                raise NotFound("no")
            if path.endswith("/other/pods"):
                return {"items": [pod("two", "true")]}
            if "continue" in (query or {}):
                return {"items": [pod("last")], "metadata": {}}
            return {"items": [pod("one")], "metadata": {"continue": "more"}}

    patrol = Patrol(cast(ApiServer, Cluster()), OPTIONS)
    assert await patrol.look() == patrol.pods == ["shop/one", "shop/last", "other/two"]
    assert [path for path, _ in asked[1:]] == [
        "/api/v1/namespaces/shop/pods",
        "/api/v1/namespaces/shop/pods",
        "/api/v1/namespaces/other/pods",
    ]
    assert asked[-1][1] == {"labelSelector": f"{INJECT}=true", "limit": 500}
    assert await Patrol(cast(ApiServer, Cluster()), OPTIONS, only_namespaces=["other", "gone"]).look() == ["other/two"]
