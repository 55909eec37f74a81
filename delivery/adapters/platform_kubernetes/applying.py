"""Applying a workload: namespace, rehearsal, objects, and the Deployment last. Neighbours: objects, fence, shared.

Nothing is written before the API server has accepted all of it in a dry run. The Deployment is made first but paused
(it owns the others, so it must exist; without its ConfigMaps it must not start) and let go last.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import structlog

from delivery.adapters.platform_kubernetes import floors, shared
from delivery.adapters.platform_kubernetes.api import Api
from delivery.adapters.platform_kubernetes.fence import Ledger, check_live, turns
from delivery.adapters.platform_kubernetes.layout import Layout
from delivery.adapters.platform_kubernetes.names import OBJECTS, TAKEN, has_own_namespace, namespace_of
from delivery.adapters.platform_kubernetes.objects import LISTED, Object, Plan
from delivery.adapters.platform_kubernetes.previews import guards, namespace_object
from delivery.adapters.platform_kubernetes.refusals import FORBIDDEN, Cause, Refused, explained
from delivery.adapters.platform_kubernetes.writing import ABSENT, owner, place, with_metadata, written
from delivery.errors import Rejected, Transient
from delivery.workloads import WorkloadKey
from mesh.model.pods import COLOR, PROJECT

log = structlog.get_logger(__name__)


def apply_workload(api: Api, plan: Plan, layout: Layout, ledger: Ledger) -> Object:
    """Bring all objects of a workload to the cluster; return its Deployment. Raises Conflict for an older run."""
    ensure_namespace(api, plan.key, layout)
    ledger.check(plan.key, plan.generation)
    taken = [*_rehearse(api, plan)]
    deployment = _described(plan, taken)
    held = _hold(api, plan, deployment)
    for item in plan.owned:
        written(api, _owned_by(item, held))
    shared.apply_shared(api, plan, held)
    # A removal that came while we were at it has seen the Deployment or is seen here: either way nothing runs.
    try:
        ledger.check(plan.key, plan.generation)
    except Rejected:
        _undo(api, held)
        raise
    applied = _let_go(api, plan, deployment, held["metadata"]["uid"])
    floors.keep_capacity(api, plan)
    log.info("platform.applied", workload=plan.name, namespace=plan.namespace, generation=plan.generation)
    return applied


def ensure_namespace(api: Api, key: WorkloadKey, layout: Layout) -> None:
    """Make the namespace if it is not there, and what guards it. Raises Rejected saying what to grant."""
    name = namespace_of(key, layout)
    found = _find_namespace(api, name)
    if found is None:
        _make_namespace(api, namespace_object(key, layout))
    elif found["metadata"].get("deletionTimestamp"):
        raise Transient(f"namespace {name} is still being deleted", retry_after=2.0)
    elif has_own_namespace(key, layout):
        _check_own(found, key)
    for item in guards(key, layout):
        written(api, item)


def _find_namespace(api: Api, name: str) -> Object | None:
    """Return the namespace; one that we may not look at is taken to be there."""
    try:
        return api.get("Namespace", "", name)
    except Refused as refused:
        if refused.code == FORBIDDEN:
            return {"metadata": {"name": name}}
        raise explained(refused, f"Namespace/{name}") from refused


def _check_own(found: Object, key: WorkloadKey) -> None:
    """Raise Rejected for a place of others: `shop-alice` is shop's preview alice, and the project shop-alice's own."""
    metadata = found["metadata"]
    labels = metadata.get("labels") or {}
    if PROJECT in labels and (labels[PROJECT], labels.get(COLOR)) != (key.project, key.color):
        raise Rejected(
            f"namespace {metadata['name']} is project {labels[PROJECT]}'s; the preview {key.color} cannot have it",
            field="COLORLANE_KUBERNETES_NAMESPACE",
            value=metadata["name"],
            remedy="give the branch another name, or keep previews in the baseline's namespace",
        )


def _make_namespace(api: Api, item: Object) -> None:
    name = item["metadata"]["name"]
    try:
        api.create(item)
        log.info("platform.namespace_made", namespace=name)
    except Refused as refused:
        if refused.code == FORBIDDEN and not refused.passing:
            raise Rejected(
                f"namespace {name} does not exist, and Colorlane may not make it: {refused.message}",
                field="COLORLANE_KUBERNETES_NAMESPACE",
                value=name,
                remedy=f"kubectl create namespace {name}, or grant create on namespaces",
            ) from refused
        if not refused.moved:
            raise explained(refused, place(item)) from refused


def _rehearse(api: Api, plan: Plan) -> Iterator[str]:
    """Dry-run everything; yield the fields that others hold and that we shall take, `<manager>: <object> <field>`."""
    live = api.get("Deployment", plan.namespace, plan.name)
    if live is not None:
        _check(live, plan)
    shared.check_shared(api, plan)
    for item in (plan.deployment, *plan.owned):
        try:
            api.apply(item, force=False, dry_run=True)
        except Refused as refused:
            if not refused.taken:
                raise explained(refused, place(item)) from refused
            written(api, item, dry_run=True)
            for cause in refused.taken:
                yield _taken(item, cause)


def _taken(item: Object, cause: Cause) -> str:
    who = re.search(r'"([^"]+)"', cause.message)
    manager = who[1] if who else "another manager"
    log.warning("platform.field_taken", object=place(item), field=cause.field, manager=manager)
    return f"{manager}: {item['kind']} {cause.field}"


def _described(plan: Plan, taken: list[str]) -> Object:
    """Return the Deployment with the notes that it carries about its own making."""
    item = {**plan.deployment, "metadata": dict(plan.deployment["metadata"])}
    notes = {OBJECTS: ",".join(_noted(each) for each in plan.owned if each["kind"] in LISTED)}
    if taken:
        notes[TAKEN] = "; ".join(sorted(set(taken)))
    item["metadata"]["annotations"] = {**item["metadata"]["annotations"], **notes}
    return item


def _noted(item: Object) -> str:
    return f"{item['kind']}/{item['metadata']['name']}"


def _hold(api: Api, plan: Plan, deployment: Object) -> Object:
    """Return the live Deployment, made paused if there was none."""
    for _ in turns(place(deployment)):
        live = api.get("Deployment", plan.namespace, plan.name)
        if live is not None:
            _check(live, plan)
            return live
        paused = {**deployment, "spec": {**deployment["spec"], "paused": True}}
        try:
            return api.apply(with_metadata(paused, resourceVersion=ABSENT))
        except Refused as refused:
            if not refused.moved:
                raise explained(refused, place(deployment)) from refused
    raise AssertionError("unreachable")


def _let_go(api: Api, plan: Plan, deployment: Object, uid: str) -> Object:
    """Write the Deployment as it shall be: compare-and-set on what was read and found to be no newer than we are."""
    for _ in turns(place(deployment)):
        live = api.get("Deployment", plan.namespace, plan.name)
        if live is None or live["metadata"]["uid"] != uid:
            # By a removal, which the next attempt finds noted, or by hand, which it repairs.
            raise Transient(f"{place(deployment)} was deleted while it was being applied")
        _check(live, plan)
        try:
            return api.apply(with_metadata(deployment, uid=uid, resourceVersion=live["metadata"]["resourceVersion"]))
        except Refused as refused:
            if not refused.moved:
                raise explained(refused, place(deployment)) from refused
    raise AssertionError("unreachable")


def _check(live: Object, plan: Plan) -> None:
    check_live(live, plan.key, plan.generation)
    if live["metadata"].get("deletionTimestamp"):
        raise Transient(f"{place(plan.deployment)} is still being deleted", retry_after=1.0)


def _undo(api: Api, held: Object) -> None:
    metadata = held["metadata"]
    api.delete("Deployment", metadata["namespace"], metadata["name"], {"uid": metadata["uid"]})


def _owned_by(item: Object, deployment: Object) -> Object:
    return with_metadata(item, ownerReferences=[owner(deployment, blocks=True)])
