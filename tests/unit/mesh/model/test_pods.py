"""Injection and registry work out one id of a pod, each alone, and number the same ports."""

from __future__ import annotations

import pytest

from mesh.model.pods import (
    COLOR,
    PROJECT,
    SERVICE,
    VERSION,
    PodIdentity,
    inbound_ports,
    pod_identity,
)


def test_our_labels_say_who_a_pod_is() -> None:
    labels = {PROJECT: "shop", SERVICE: "reviews", COLOR: "alice", VERSION: "r2", "app": "else"}
    found = pod_identity("shop-alice", labels)
    assert found == PodIdentity("shop", "reviews", "alice", "r2")
    assert found.endpoint_id("reviews-0") == "shop/reviews/alice/r2/reviews-0"


@pytest.mark.parametrize(
    ("labels", "service"),
    [
        ({"app.kubernetes.io/name": "web", "app": "x"}, "web"),
        ({"app": "web"}, "web"),
        ({SERVICE: "", "app": "web"}, "web"),
        ({}, "pod"),
    ],
)
def test_other_pods_go_by_their_customary_name(labels: dict[str, str], service: str) -> None:
    assert pod_identity("plain", labels).endpoint_id("p-1") == f"plain/{service}/-/default/p-1"


def test_inbound_ports_are_numbered_in_the_order_of_the_service_ports() -> None:
    assert inbound_ports([9080, 80, 9080]) == {80: 15100, 9080: 15101}


def test_a_service_with_more_ports_than_a_sidecar_has_is_refused() -> None:
    with pytest.raises(ValueError, match="101 ports"):
        inbound_ports(range(1, 102))
