"""Removing a workload: its routes from outside first, then the Deployment with all it owns, then what was left over.

Neighbours: fence, shared, floors.
"""

from __future__ import annotations

import structlog

from delivery.adapters.platform_kubernetes.api import Api
from delivery.adapters.platform_kubernetes.applying import ensure_namespace
from delivery.adapters.platform_kubernetes.fence import Ledger, check_live, turns
from delivery.adapters.platform_kubernetes.floors import release_capacity
from delivery.adapters.platform_kubernetes.layout import Layout
from delivery.adapters.platform_kubernetes.names import (
    has_own_namespace,
    identity,
    namespace_of,
    selector,
    workload_name,
)
from delivery.adapters.platform_kubernetes.objects import LISTED, Object
from delivery.adapters.platform_kubernetes.refusals import NOT_FOUND, Refused, explained
from delivery.adapters.platform_kubernetes.shared import repoint
from delivery.workloads import WorkloadKey
from mesh.model.pods import COLOR, PROJECT

log = structlog.get_logger(__name__)


def remove_workload(api: Api, key: WorkloadKey, generation: int, layout: Layout, ledger: Ledger) -> None:
    """Begin the end of a workload; the cluster finishes it. Raises Conflict for an older run."""
    namespace, name = namespace_of(key, layout), workload_name(key)
    live = api.get("Deployment", namespace, name)
    if live is not None:
        check_live(live, key, generation)
    _bury(api, key, generation, layout, ledger)
    repoint(api, namespace, key)
    _delete(api, key, generation, namespace)
    prune(api, key, namespace)
    release_capacity(api, namespace, key)
    log.info("platform.removed", workload=name, namespace=namespace, generation=generation)
    if has_own_namespace(key, layout):
        _delete_namespace(api, key, namespace)


def _bury(api: Api, key: WorkloadKey, generation: int, layout: Layout, ledger: Ledger) -> None:
    try:
        ledger.bury(key, generation)
    except Refused as refused:
        if refused.code != NOT_FOUND:
            raise explained(refused, f"the generations of {key.project}") from refused
        # The project's first word is a removal: the tombstone needs a place, since an apply may be on its way.
        ensure_namespace(api, WorkloadKey(key.project, key.service, "", key.version), layout)
        ledger.bury(key, generation)


def _delete(api: Api, key: WorkloadKey, generation: int, namespace: str) -> None:
    """Delete the Deployment that was found to be no newer than we are, and no other."""
    name = workload_name(key)
    for _ in turns(f"Deployment/{name} in {namespace}"):
        live = api.get("Deployment", namespace, name)
        if live is None or live["metadata"].get("deletionTimestamp"):
            return
        check_live(live, key, generation)
        read = {"uid": live["metadata"]["uid"], "resourceVersion": live["metadata"]["resourceVersion"]}
        try:
            api.delete("Deployment", namespace, name, read)
            return
        except Refused as refused:
            if not refused.moved:
                raise explained(refused, f"Deployment/{name} in {namespace}") from refused


def prune(api: Api, key: WorkloadKey, namespace: str) -> None:
    """Delete what carries the workload's labels and is owned by nobody: left by an apply that died half-way."""
    for kind in LISTED:
        found, _ = api.find(kind, namespace, labelSelector=selector(identity(key)))
        for item in found:
            if not item["metadata"].get("ownerReferences"):
                _delete_leftover(api, kind, item)


def _delete_leftover(api: Api, kind: str, item: Object) -> None:
    metadata = item["metadata"]
    api.delete(kind, metadata["namespace"], metadata["name"], {"uid": metadata["uid"]})
    log.info("platform.pruned", kind=kind, name=metadata["name"], namespace=metadata["namespace"])


def _delete_namespace(api: Api, key: WorkloadKey, namespace: str) -> None:
    """Delete a preview's namespace with its last workload, if Colorlane made it for this colour."""
    found = api.get("Namespace", "", namespace)
    labels = (found or {}).get("metadata", {}).get("labels") or {}
    if found is None or (labels.get(PROJECT), labels.get(COLOR)) != (key.project, key.color):
        return
    deployments, _ = api.find("Deployment", namespace)
    if any(not each["metadata"].get("deletionTimestamp") for each in deployments):
        return
    api.delete("Namespace", "", namespace, {"uid": found["metadata"]["uid"]})
    log.info("platform.namespace_deleted", namespace=namespace)
