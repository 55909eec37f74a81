"""What the versions of a service share: the Service that everybody calls, and its ServiceAccount.

They are owned by all versions that run, so that the last one takes them along. The Service leads to one version, the
stable one: mesh traffic is weighed by the mesh, but who comes from outside of it must not meet half a rollout.
Neighbours: applying, removing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import structlog

from delivery.adapters.platform_kubernetes.api import Api, Json
from delivery.adapters.platform_kubernetes.fence import turns
from delivery.adapters.platform_kubernetes.names import generation_of, lane_labels, selector
from delivery.adapters.platform_kubernetes.objects import Object, Plan, service_ports
from delivery.adapters.platform_kubernetes.refusals import INVALID, NOT_FOUND, Refused, explained
from delivery.adapters.platform_kubernetes.writing import ABSENT, owner, place, with_metadata, written
from delivery.errors import Rejected
from delivery.workloads import WorkloadKey
from mesh.model.pods import PROJECT, VERSION

log = structlog.get_logger(__name__)


def check_shared(api: Api, plan: Plan) -> None:
    """Dry-run the shared objects. Raises Rejected for a Service that is there and not Colorlane's."""
    for item in plan.shared:
        live = api.get(item["kind"], plan.namespace, item["metadata"]["name"])
        if live is None or _may_write(live, plan):
            written(api, item, dry_run=True)
        elif item["kind"] == "Service":
            raise Rejected(
                f"{place(item)} exists and is not Colorlane's; its traffic would move at once",
                field="manifests",
                value=item["metadata"]["name"],
                remedy=f"delete it, or hand it over: kubectl -n {plan.namespace} label service "
                f"{item['metadata']['name']} {PROJECT}={plan.key.project}",
            )


def apply_shared(api: Api, plan: Plan, deployment: Object) -> None:
    """Write the shared objects: as this version has them, owned by it too, the Service leading where it led."""
    for item in plan.shared:
        for _ in turns(place(item)):
            live = api.get(item["kind"], plan.namespace, item["metadata"]["name"])
            if live is not None and not _may_write(live, plan):
                break
            others = [
                each for each in lane(api, plan.namespace, plan.key) if each["metadata"]["uid"] != _uid(deployment)
            ]
            if _write(api, _joined(item, live, deployment, others), live):
                break


def repoint(api: Api, namespace: str, leaving: WorkloadKey) -> None:
    """Lead Services that select a version about to go to the newest ready one of those that stay."""
    heir = heir_of([each for each in lane(api, namespace, leaving) if _version(each) != leaving.version])
    services, _ = api.find("Service", namespace, labelSelector=selector(lane_labels(leaving)))
    own = next((each for each in services if _version(each) == heir), None)
    ports = service_ports(own) if own else {}
    for service in services if heir else ():
        chosen = (service.get("spec") or {}).get("selector") or {}
        if not _version(service) and chosen.get(VERSION) == leaving.version:
            _lead(api, service, leaving.version, heir, ports.get(service["metadata"]["name"], []))


def _lead(api: Api, service: Object, leaving: str, heir: str, ports: Sequence[Json]) -> None:
    metadata = service["metadata"]
    operations: list[Json] = [
        {"op": "test", "path": "/metadata/uid", "value": metadata["uid"]},
        {"op": "test", "path": _VERSION_PATH, "value": leaving},
        {"op": "replace", "path": _VERSION_PATH, "value": heir},
    ]
    if ports:
        operations.append({"op": "replace", "path": "/spec/ports", "value": list(ports)})
    try:
        api.patch("Service", metadata["namespace"], metadata["name"], operations)
    except Refused as refused:
        if refused.code not in (NOT_FOUND, INVALID):  # it is gone, or somebody has led it elsewhere meanwhile
            raise explained(refused, place({"kind": "Service", **service})) from refused
    log.info("platform.repointed", service=metadata["name"], version=heir)


def heir_of(deployments: Sequence[Mapping[str, Any]]) -> str:
    """Return the version that callers from outside get next: the newest that is available, else the newest."""

    def worth(deployment: Mapping[str, Any]) -> tuple[bool, int]:
        return bool((deployment.get("status") or {}).get("availableReplicas")), generation_of(deployment)

    return _version(max(deployments, key=worth)) if deployments else ""


def lane(api: Api, namespace: str, key: WorkloadKey) -> list[Object]:
    """Return the Deployments of a service in a colour that are not being deleted."""
    found, _ = api.find("Deployment", namespace, labelSelector=selector(lane_labels(key)))
    return [each for each in found if not each["metadata"].get("deletionTimestamp")]


def _joined(item: Object, live: Object | None, deployment: Object, others: Sequence[Object]) -> Object:
    """Return the object as it shall be, beside the other versions that run."""
    known = ((live or {}).get("metadata") or {}).get("ownerReferences") or []
    owners = [owner(deployment, blocks=False), *(each for each in known if each["uid"] != _uid(deployment))]
    joined = with_metadata(item, ownerReferences=owners)
    now = (live or {}).get("spec") or {}
    led = (now.get("selector") or {}).get(VERSION)
    if item["kind"] == "Service" and led in {_version(each) for each in others}:
        # Its ports are those of the version it leads to; ours come with `repoint`.
        joined["spec"] = {**item["spec"], "ports": now["ports"], "selector": {**item["spec"]["selector"], VERSION: led}}
    return joined


def _write(api: Api, item: Object, live: Object | None) -> bool:
    """Compare-and-set; False when the object has changed meanwhile."""
    version = live["metadata"]["resourceVersion"] if live else ABSENT
    try:
        api.apply({**item, "metadata": {**item["metadata"], "resourceVersion": version}})
    except Refused as refused:
        if refused.moved:
            return False
        raise explained(refused, place(item)) from refused
    return True


def _may_write(live: Object, plan: Plan) -> bool:
    """Tell whether an object is this lane's to write; a ServiceAccount that is not is used as it is.

    A preview beside the baseline never changes the rights that the baseline runs with.
    """
    if live["kind"] == "ServiceAccount" and plan.key.color and not plan.namespace_is_own:
        return False
    return _ours(live, plan.key)


def _ours(live: Object, key: WorkloadKey) -> bool:
    return (live["metadata"].get("labels") or {}).get(PROJECT) == key.project


def _version(deployment: Mapping[str, Any]) -> str:
    return str((deployment["metadata"].get("labels") or {}).get(VERSION, ""))


def _uid(deployment: Object) -> str:
    return str(deployment["metadata"]["uid"])


_VERSION_PATH = "/spec/selector/" + VERSION.replace("/", "~1")
