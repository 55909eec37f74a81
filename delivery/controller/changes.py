"""Changes: what to write so that the cluster shows what the rows say. Pure; neighbours: mirror, reconcile."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from delivery.controller.mirror import API_VERSION, MANAGED_BY, Mirrored, merged_conditions
from delivery.controller.objects import Key, Object

UNKNOWN = "Colorlane knows nothing of this id: a push starts rollouts and environments, an object does not"


@dataclass(frozen=True)
class Create:
    """Make the object; its status is written when it has been seen."""

    key: Key
    body: Mapping[str, Any]


@dataclass(frozen=True)
class Patch:
    """Merge into the object."""

    key: Key
    body: Mapping[str, Any]


@dataclass(frozen=True)
class Status:
    """Write the status."""

    key: Key
    status: Mapping[str, Any]


@dataclass(frozen=True)
class Delete:
    """Delete the object, whose finalizer is taken away first."""

    key: Key
    held: bool


Change = Create | Patch | Status | Delete


def changes(wanted: Mapping[Key, Mirrored], present: Mapping[Key, Object], now: str) -> list[Change]:
    """Return what to write; nothing when the cluster shows all of it already."""
    found: list[Change] = []
    for key, mirrored in wanted.items():
        held = present.get(key)
        if held is None:
            found.append(Create(key, created(mirrored)))
        else:
            found += _corrections(mirrored, held, now)
    for key, held in present.items():
        if key not in wanted:
            found += _leftover(key, held)
    return found


def created(mirrored: Mirrored) -> dict[str, Any]:
    """Return the object as it is first written."""
    metadata: dict[str, Any] = {"name": mirrored.key.name, "labels": dict(mirrored.labels)}
    if mirrored.finalizer:
        metadata["finalizers"] = [mirrored.finalizer]
    return {"apiVersion": API_VERSION, "kind": mirrored.key.kind, "metadata": metadata, "spec": dict(mirrored.spec)}


def _corrections(mirrored: Mirrored, held: Object, now: str) -> list[Change]:
    found: list[Change] = []
    spec = {name: value for name, value in mirrored.spec.items() if held["spec"].get(name) != value}
    if spec:
        found.append(Patch(mirrored.key, {"spec": spec}))
    before = held.get("status") or {}
    wanted = dict(mirrored.status)
    if mirrored.conditions:
        wanted["conditions"] = merged_conditions(mirrored.conditions, before, now)
    status = {name: value for name, value in wanted.items() if before.get(name) != value}
    if status:
        found.append(Status(mirrored.key, status))
    return found


def _leftover(key: Key, held: Object) -> list[Change]:
    """What we made goes with its row; what somebody else made is told that nothing comes of it."""
    metadata = held["metadata"]
    labels = metadata.get("labels") or {}
    if all(labels.get(name) == value for name, value in MANAGED_BY.items()):
        return [Delete(key, held=bool(metadata.get("finalizers")))]
    field = "message" if key.kind == "Rollout" else "state"
    if (held.get("status") or {}).get(field) != UNKNOWN:
        return [Status(key, {field: UNKNOWN})]
    return []
