"""Capacity to take traffic back: while two versions run, the older one's autoscaler does not go below what it has.

An autoscaler shrinks a stable version whose traffic goes to the canary, and a rollback would then meet too few pods
(docs/decisions/0018-capacity.md). The team's own minimum stands in an annotation and returns when one
version is left. Neighbours: applying, removing.
"""

from __future__ import annotations

import structlog

from delivery.adapters.platform_kubernetes.api import Api
from delivery.adapters.platform_kubernetes.names import MIN_REPLICAS, key_of, lane_labels, selector
from delivery.adapters.platform_kubernetes.objects import Object, Plan
from delivery.adapters.platform_kubernetes.refusals import Refused
from delivery.workloads import WorkloadKey

MANAGER = "colorlane-floor"  # a field manager of its own: a repeated apply says whom it takes the minimum from

log = structlog.get_logger(__name__)


def keep_capacity(api: Api, newcomer: Plan) -> None:
    """Raise the minimum of the other versions' autoscalers to the replicas they have now."""
    for scaler, deployment in _scaled(api, newcomer.namespace, newcomer.key):
        if key_of(deployment) != newcomer.key:
            _set_minimum(api, scaler, max(_minimum(scaler), int(deployment["spec"].get("replicas", 1))))


def release_capacity(api: Api, namespace: str, gone: WorkloadKey) -> None:
    """Give the last version of a lane its own minimum back."""
    remaining = [pair for pair in _scaled(api, namespace, gone) if key_of(pair[1]) != gone]
    if len(remaining) == 1:
        scaler = remaining[0][0]
        wanted = (scaler["metadata"].get("annotations") or {}).get(MIN_REPLICAS, "")
        if wanted.isdecimal():
            _set_minimum(api, scaler, int(wanted))


def _scaled(api: Api, namespace: str, key: WorkloadKey) -> list[tuple[Object, Object]]:
    """Return the autoscalers of a lane with the Deployments they scale, without what is being deleted."""
    chosen = selector(lane_labels(key))
    scalers, _ = api.find("HorizontalPodAutoscaler", namespace, labelSelector=chosen)
    if not scalers:
        return []
    found, _ = api.find("Deployment", namespace, labelSelector=chosen)
    alive = {each["metadata"]["name"]: each for each in found if not each["metadata"].get("deletionTimestamp")}
    pairs = [(each, alive.get(each["spec"]["scaleTargetRef"]["name"])) for each in scalers]
    return [(scaler, deployment) for scaler, deployment in pairs if deployment is not None]


def _minimum(scaler: Object) -> int:
    return int(scaler["spec"].get("minReplicas", 1))


def _set_minimum(api: Api, scaler: Object, wanted: int) -> None:
    if wanted == _minimum(scaler):
        return
    metadata = {name: scaler["metadata"][name] for name in ("name", "namespace", "uid")}
    item = {"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": metadata}
    try:
        api.apply({**item, "spec": {"minReplicas": wanted}}, manager=MANAGER)
    except Refused as refused:
        # Capacity is a safety net: a rollout does not fail because its autoscaler went meanwhile.
        log.warning("platform.floor_not_set", autoscaler=metadata["name"], why=str(refused))
        return
    log.info("platform.floor", autoscaler=metadata["name"], min_replicas=wanted)
