"""Colorlane's custom resources on an API server. Port: `delivery.controller.objects` (by its shape; not imported).

Watches and requests are those of platform_kubernetes. Neighbours: controller (uses it), entries (wires it).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, NamedTuple

from delivery.adapters.platform_kubernetes.api import VERSIONS, Api
from delivery.adapters.platform_kubernetes.names import MANAGER
from delivery.adapters.platform_kubernetes.refusals import CONFLICT, NOT_FOUND, Refused, explained
from delivery.adapters.platform_kubernetes.watching import Watch
from delivery.errors import Conflict, NotFound, Transient

KINDS = ("Rollout", "Environment")
EVENT_TEXT = 1024  # characters of an Event's message (Kubernetes' own limit)

Object = dict[str, Any]


class Place(NamedTuple):
    """Which object; equal to the controller's key."""

    kind: str
    namespace: str
    name: str


class KubernetesObjects:
    """`place` makes the caller's keys."""

    def __init__(self, api: Api, place: Callable[[str, str, str], Any] = Place) -> None:
        self._api, self._place = api, place
        self._watches: list[_Watch] = []

    def start(self, changed: Callable[[], None]) -> None:
        """Begin to watch."""
        self._watches = [_Watch(self._api, kind, changed) for kind in KINDS]
        for each in self._watches:
            each.start()

    def stop(self) -> None:
        """End the watch."""
        for each in self._watches:
            each.stop()

    def present(self) -> Mapping[Any, Object]:
        """Return all objects. Raises Transient before the first complete reading."""
        found = [(each.kind, item["metadata"], item) for each in self._watches for item in each.objects()]
        return {self._place(kind, about["namespace"], about["name"]): item for kind, about, item in found}

    def create(self, key: Any, body: Mapping[str, Any]) -> None:
        """Create the object."""
        with _said_by(key):
            self._api.create({**body, "metadata": {**body["metadata"], "namespace": key.namespace}})

    def patch(self, key: Any, body: Mapping[str, Any]) -> None:
        """Merge into the object."""
        with _said_by(key):
            self._api.merge(key.kind, key.namespace, key.name, body)

    def patch_status(self, key: Any, status: Mapping[str, Any]) -> Object:
        """Replace the fields of `status`."""
        with _said_by(key):
            return self._api.merge(key.kind, key.namespace, key.name, {"status": dict(status)}, "status")

    def delete(self, key: Any) -> None:
        """Delete the object."""
        with _said_by(key):
            self._api.delete(key.kind, key.namespace, key.name)

    def tell(self, key: Any, uid: str, name: str, reason: str, message: str, *, warning: bool) -> None:
        """Record an Event. Raises Conflict when it is there already."""
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        about = {"apiVersion": VERSIONS[key.kind], "kind": key.kind, "uid": uid}
        event = {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"name": name, "namespace": key.namespace},
            "involvedObject": {**about, "namespace": key.namespace, "name": key.name},
            "reason": reason,
            "message": message[:EVENT_TEXT],
            "type": "Warning" if warning else "Normal",
            "source": {"component": MANAGER},
            "firstTimestamp": now,
            "lastTimestamp": now,
            "count": 1,
        }
        with _said_by(key):
            self._api.create(event)


class _Watch(Watch):
    """All objects of one kind."""

    def __init__(self, api: Api, kind: str, changed: Callable[[], None]) -> None:
        super().__init__(api, kind)
        self.kind, self._tell, self._complete = kind, changed, False

    def objects(self) -> list[Object]:
        """Return them. Raises Transient before the first complete reading."""
        with self._lock:
            if not self._complete:
                raise Transient(f"the API server has not told all objects of kind {self.kind} yet")
            return list(self._objects.values())

    def _changed(self) -> None:
        self._complete = True
        self._tell()


@contextmanager
def _said_by(key: Any) -> Iterator[None]:
    """Put the API server's refusals into delivery's words."""
    where = f"{key.kind} {key.namespace}/{key.name}"
    try:
        yield
    except Refused as refused:
        if refused.code == NOT_FOUND:
            raise NotFound(f"{where}: {refused.message}") from refused
        if refused.code == CONFLICT:
            raise Conflict(f"{where}: {refused.message}") from refused
        raise explained(refused, where) from refused
