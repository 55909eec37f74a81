"""The controller's objects in memory: resource versions, generations and finalizers as an API server keeps them."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from typing import Any

from delivery.controller.objects import Key
from delivery.errors import Conflict, NotFound


class FakeObjects:
    """`namespaces`: those that exist. `events` are the Kubernetes Events told."""

    def __init__(self, *namespaces: str) -> None:
        self.namespaces = set(namespaces)
        self.held: dict[Key, dict[str, Any]] = {}
        self.events: list[tuple[Key, str, str, bool]] = []
        self.writes = 0
        self._version = 0

    def start(self, changed: Callable[[], None]) -> None:
        self.changed = changed

    def stop(self) -> None:
        pass

    def present(self) -> Mapping[Key, Mapping[str, Any]]:
        return copy.deepcopy(self.held)

    def create(self, key: Key, body: Mapping[str, Any]) -> None:
        if key.namespace not in self.namespaces:
            raise NotFound(f"namespace {key.namespace} does not exist")
        if key in self.held:
            raise Conflict(f"{key.name} exists")
        object = copy.deepcopy(dict(body))
        object["metadata"] |= {"uid": f"uid-{key.name}", "generation": 1}
        self.held[key] = object
        self._touch(object)

    def patch(self, key: Key, body: Mapping[str, Any]) -> None:
        object = self._get(key)
        wanted = body.get("metadata", {}).get("resourceVersion")
        if wanted not in (None, object["metadata"]["resourceVersion"]):
            raise Conflict(f"{key.name} has changed")
        spec = copy.deepcopy(object["spec"])
        version = object["metadata"]["resourceVersion"]
        _merge(object, body)
        object["metadata"]["resourceVersion"] = version
        if object["spec"] != spec:
            object["metadata"]["generation"] += 1
        self._touch(object)
        self._reap(key)

    def patch_status(self, key: Key, status: Mapping[str, Any]) -> Mapping[str, Any]:
        object = self._get(key)
        _merge(object, {"status": status})
        self._touch(object)
        return copy.deepcopy(object)

    def delete(self, key: Key) -> None:
        self._get(key)["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
        self._reap(key)

    def tell(self, key: Key, uid: str, name: str, reason: str, message: str, *, warning: bool) -> None:
        self.events.append((key, reason, message, warning))

    def _get(self, key: Key) -> dict[str, Any]:
        if key not in self.held:
            raise NotFound(f"{key.name} is not there")
        return self.held[key]

    def _touch(self, object: dict[str, Any]) -> None:
        self.writes += 1
        self._version += 1
        object["metadata"]["resourceVersion"] = str(self._version)

    def _reap(self, key: Key) -> None:
        metadata = self.held[key]["metadata"]
        if metadata.get("deletionTimestamp") and not metadata.get("finalizers"):
            del self.held[key]


def _merge(into: dict[str, Any], patch: Mapping[str, Any]) -> None:
    """Merge patch, RFC 7386."""
    for name, value in patch.items():
        if value is None:
            into.pop(name, None)
        elif isinstance(value, Mapping):
            _merge(into.setdefault(name, {}), value)
        else:
            into[name] = copy.deepcopy(value)
