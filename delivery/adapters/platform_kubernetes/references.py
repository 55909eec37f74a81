"""The references in a pod to ConfigMaps and Secrets, rewritten to other names. Pure; neighbour: objects.

Where a pod may refer to them: env, envFrom, volumes and projected volumes. imagePullSecrets stay as they are: they
belong to the namespace, not to a release. What has no new name stays too: it is somebody else's.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Renames = Mapping[tuple[str, str], str]  # (kind, name) -> new name

_ENV_FROM = {"configMapRef": ("ConfigMap", "name"), "secretRef": ("Secret", "name")}
_ENV = {"configMapKeyRef": ("ConfigMap", "name"), "secretKeyRef": ("Secret", "name")}
_VOLUME = {"configMap": ("ConfigMap", "name"), "secret": ("Secret", "secretName")}
_PROJECTED = {"configMap": ("ConfigMap", "name"), "secret": ("Secret", "name")}


def renamed(pod: Mapping[str, Any], renames: Renames) -> dict[str, Any]:
    """Return the pod spec with its references renamed; the one given is left as it is."""
    changed = dict(pod)
    for kind in ("containers", "initContainers"):
        if isinstance(pod.get(kind), list):
            changed[kind] = [_container(each, renames) for each in pod[kind]]
    if isinstance(pod.get("volumes"), list):
        changed["volumes"] = [_volume(each, renames) for each in pod["volumes"]]
    return changed


def _container(container: Mapping[str, Any], renames: Renames) -> dict[str, Any]:
    changed = dict(container)
    if isinstance(container.get("envFrom"), list):
        changed["envFrom"] = [_pointed(each, _ENV_FROM, renames) for each in container["envFrom"]]
    if isinstance(container.get("env"), list):
        changed["env"] = [_variable(each, renames) for each in container["env"]]
    return changed


def _variable(variable: Mapping[str, Any], renames: Renames) -> dict[str, Any]:
    if not isinstance(variable.get("valueFrom"), Mapping):
        return dict(variable)
    return {**variable, "valueFrom": _pointed(variable["valueFrom"], _ENV, renames)}


def _volume(volume: Mapping[str, Any], renames: Renames) -> dict[str, Any]:
    changed = _pointed(volume, _VOLUME, renames)
    projected = volume.get("projected")
    if isinstance(projected, Mapping) and isinstance(projected.get("sources"), list):
        sources = [_pointed(each, _PROJECTED, renames) for each in projected["sources"]]
        changed["projected"] = {**projected, "sources": sources}
    return changed


def _pointed(holder: Mapping[str, Any], places: Mapping[str, tuple[str, str]], renames: Renames) -> dict[str, Any]:
    """Return the mapping with the name in each of its `places` (field -> kind, field of the name) renamed."""
    changed = dict(holder)
    for place, (kind, field) in places.items():
        reference = holder.get(place)
        if isinstance(reference, Mapping) and (kind, str(reference.get(field, ""))) in renames:
            changed[place] = {**reference, field: renames[kind, str(reference[field])]}
    return changed
