"""Which fields others hold, from the books of server-side apply."""

from __future__ import annotations

from typing import Any

from delivery.adapters.platform_kubernetes.drift import drifted, missing


def entry(manager: str, fields: dict[str, Any], **more: str) -> dict[str, Any]:
    return {"manager": manager, "time": "T", "fieldsV1": fields, **more}


def item(*entries: dict[str, Any]) -> dict[str, Any]:
    return {"kind": "Deployment", "metadata": {"name": "x", "managedFields": list(entries)}}


IMAGE = {"f:spec": {"f:containers": {'k:{"name":"app"}': {".": {}, "f:image": {}}}}}


def test_a_field_of_another_hand_is_drift() -> None:
    found = list(drifted(item(entry("colorlane", {"f:spec": {"f:replicas": {}}}), entry("kubectl-edit", IMAGE))))
    assert found == ['Deployment/x .spec.containers[{"name":"app"}].image: by kubectl-edit at T']


def test_controllers_and_notes_are_not() -> None:
    noted = entry("someone", {"f:metadata": {"f:annotations": {"f:a": {}}}, "f:status": {"f:x": {}}})
    own = entry("kube-controller-manager", {"f:spec": {"f:replicas": {}}}, subresource="scale")
    assert list(drifted(item(noted, own, entry("kubelet", IMAGE, subresource="status")))) == []


def test_deleted_objects_are_missed() -> None:
    deployment = {"metadata": {"annotations": {"colorlane.dev/objects": "Service/a,ConfigMap/b"}}}
    live = [{"kind": "Service", "metadata": {"name": "a"}}]
    assert list(missing(deployment, live)) == ["ConfigMap/b: was deleted"]
    assert list(missing({"metadata": {}}, live)) == []
