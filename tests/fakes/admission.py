"""Reviews as the API server sends them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def review_of(pod: Mapping[str, Any], namespace: str = "shop", **request: Any) -> dict[str, Any]:
    """Return the AdmissionReview of a new pod."""
    asked = {
        "uid": "705ab4f5",
        "kind": {"group": "", "version": "v1", "kind": "Pod"},
        "namespace": namespace,
        "operation": "CREATE",
        "userInfo": {"username": "system:serviceaccount:kube-system:replicaset-controller"},
        "object": pod,
        **request,
    }
    return {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": asked}
