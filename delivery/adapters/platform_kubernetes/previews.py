"""A namespace, and what stands in one that a preview has for itself: quota and network policy. Pure."""

from __future__ import annotations

from typing import Any

from delivery.adapters.platform_kubernetes.layout import Layout
from delivery.adapters.platform_kubernetes.names import (
    MANAGED_BY,
    MANAGER,
    base_namespace,
    has_own_namespace,
    namespace_of,
)
from delivery.workloads import WorkloadKey
from mesh.model.pods import COLOR, INJECT, PROJECT

NAMESPACE_NAME = "kubernetes.io/metadata.name"  # label that every namespace has
GUARDS = "colorlane-preview"  # name of a preview's quota and policy

Object = dict[str, Any]


def namespace_object(key: WorkloadKey, layout: Layout) -> Object:
    """Return the namespace of a workload, for a cluster that does not have it yet."""
    labels = {PROJECT: key.project, MANAGED_BY: MANAGER, INJECT: "enabled"}
    if has_own_namespace(key, layout):
        labels[COLOR] = key.color
    if layout.pod_security:
        labels["pod-security.kubernetes.io/enforce"] = layout.pod_security
    metadata = {"name": namespace_of(key, layout), "labels": labels}
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": metadata}


def guards(key: WorkloadKey, layout: Layout) -> tuple[Object, ...]:
    """Return what bounds a preview in its own namespace; nothing for one that shares the baseline's."""
    if not has_own_namespace(key, layout):
        return ()
    namespace = namespace_of(key, layout)
    metadata = {"name": GUARDS, "namespace": namespace, "labels": {PROJECT: key.project, MANAGED_BY: MANAGER}}
    policy: Object = {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": metadata}
    policy["spec"] = {"podSelector": {}, "policyTypes": ["Ingress"], "ingress": [{"from": _callers(key, layout)}]}
    if not layout.quota:
        return (policy,)
    quota: Object = {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": metadata}
    quota["spec"] = {"hard": dict(layout.quota)}
    return (quota, policy)


def _callers(key: WorkloadKey, layout: Layout) -> list[Object]:
    names = dict.fromkeys((base_namespace(key.project, layout), layout.control, *layout.allowed))
    others = [{"namespaceSelector": {"matchLabels": {NAMESPACE_NAME: name}}} for name in names]
    return [{"podSelector": {}}, *others]
