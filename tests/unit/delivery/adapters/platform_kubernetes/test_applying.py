"""Where a preview may be put: its own namespace, never one that is another project's place."""

from __future__ import annotations

from typing import Any

import pytest

from delivery.adapters.platform_kubernetes.applying import ensure_namespace
from delivery.adapters.platform_kubernetes.layout import Layout
from delivery.errors import Rejected
from delivery.workloads import WorkloadKey
from mesh.model.pods import COLOR, PROJECT

ALICE = WorkloadKey("shop", "reviews", "alice", "v1")
OWN = Layout(own_previews=True)


class Cluster:
    """An API server with one namespace."""

    def __init__(self, labels: dict[str, str]) -> None:
        self.labels = labels
        self.applied: list[str] = []

    def get(self, kind: str, namespace: str, name: str) -> dict[str, Any]:
        return {"metadata": {"name": name, "labels": self.labels}}

    def apply(self, item: dict[str, Any], **_: object) -> dict[str, Any]:
        self.applied.append(item["kind"])
        return item


@pytest.mark.parametrize("labels", [{PROJECT: "shop-alice"}, {PROJECT: "shop-al", COLOR: "ice"}, {PROJECT: "shop"}])
def test_anothers_namespace_gets_no_guards_of_a_preview(labels: dict[str, str]) -> None:
    cluster = Cluster(labels)
    with pytest.raises(Rejected, match="shop-alice is project"):
        ensure_namespace(cluster, ALICE, OWN)  # type: ignore[arg-type]
    assert cluster.applied == []


@pytest.mark.parametrize("labels", [{PROJECT: "shop", COLOR: "alice"}, {}])
def test_its_own_one_and_one_made_by_hand_are_guarded(labels: dict[str, str]) -> None:
    cluster = Cluster(labels)
    ensure_namespace(cluster, ALICE, OWN)  # type: ignore[arg-type]
    assert cluster.applied == ["ResourceQuota", "NetworkPolicy"]
