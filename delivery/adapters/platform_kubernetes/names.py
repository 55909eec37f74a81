"""What a workload's objects are called, and the labels by which they are found. Pure; neighbours: objects, fence.

Names are for people to read in `kubectl get`; what belongs together is known by labels alone.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any, Final

from delivery.adapters.platform_kubernetes.layout import Layout
from delivery.workloads import WorkloadKey
from mesh.model.pods import COLOR, GENERATION, GROUP, PROJECT, SERVICE, VERSION

FIELD_MANAGER: Final = "colorlane"
MANAGED_BY: Final = "app.kubernetes.io/managed-by"
MANAGER: Final = "colorlane"
MIN_REPLICAS: Final = f"{GROUP}/min-replicas"  # annotation of an autoscaler: what the team wrote
OBJECTS: Final = f"{GROUP}/objects"  # annotation of a Deployment: what else belongs to it
TAKEN: Final = f"{GROUP}/taken-from"  # annotation of a Deployment: fields that another manager held

WORKLOAD_LENGTH: Final = 52  # leaves room for the suffixes of ReplicaSets and pods within 63
OBJECT_LENGTH: Final = 63
_HASH = 8


def workload_name(key: WorkloadKey) -> str:
    """Return the name of the Deployment: `<service>[-<color>]-<version>`."""
    return shortened("-".join(part for part in (key.service, key.color, key.version) if part), WORKLOAD_LENGTH)


def object_name(original: str, key: WorkloadKey) -> str:
    """Return the name that an object of the release has for this workload alone."""
    own = workload_name(key)
    return own if original == key.service else shortened(f"{own}-{original}", OBJECT_LENGTH)


def shortened(name: str, limit: int) -> str:
    """Return the name, cut to `limit` characters with a hash of the whole where it is longer."""
    if len(name) <= limit:
        return name
    digest = hashlib.sha256(name.encode()).hexdigest()[:_HASH]
    return f"{name[: limit - _HASH - 1].rstrip('-.')}-{digest}"


def base_namespace(project: str, layout: Layout) -> str:
    """Return the namespace of a project's baseline, where its generations are kept too."""
    return layout.namespace.replace("{project}", project)


def namespace_of(key: WorkloadKey, layout: Layout) -> str:
    """Return the namespace in which a workload runs."""
    base = base_namespace(key.project, layout)
    return shortened(f"{base}-{key.color}", OBJECT_LENGTH) if has_own_namespace(key, layout) else base


def has_own_namespace(key: WorkloadKey, layout: Layout) -> bool:
    """Tell whether the workload's colour lives apart from the baseline."""
    return bool(key.color) and layout.own_previews


def lane_labels(key: WorkloadKey) -> dict[str, str]:
    """Return the labels that all versions of a service in a colour share."""
    return {PROJECT: key.project, SERVICE: key.service, COLOR: key.color}


def identity(key: WorkloadKey) -> dict[str, str]:
    """Return the four labels that name a workload; nothing else in the cluster has them all."""
    return {**lane_labels(key), VERSION: key.version}


def selector(labels: Mapping[str, str]) -> str:
    """Return labels as a query parameter has them; an empty value selects an empty label."""
    return ",".join(f"{name}={value}" for name, value in labels.items())


def key_of(item: Mapping[str, Any]) -> WorkloadKey | None:
    """Return the workload an object belongs to by its labels, None for one of nobody's."""
    labels = item.get("metadata", {}).get("labels") or {}
    if not all(labels.get(name) for name in (PROJECT, SERVICE, VERSION)):
        return None
    return WorkloadKey(labels[PROJECT], labels[SERVICE], labels.get(COLOR, ""), labels[VERSION])


def generation_of(item: Mapping[str, Any]) -> int:
    """Return the generation a Deployment was applied with; 0 where it says none."""
    text = (item.get("metadata", {}).get("annotations") or {}).get(GENERATION, "")
    return int(text) if text.isdecimal() else 0
