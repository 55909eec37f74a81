"""Objects port: Colorlane's custom resources in a cluster. Real side: adapters.objects_kubernetes.

Contract: `present` answers from a watch and may be some milliseconds old; every write is harmless to repeat. What is
gone already raises NotFound, what has changed meanwhile Conflict; an API server that is away raises Transient, and one
that forbids the call Rejected, naming what to grant.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

ROLLOUT = "Rollout"
ENVIRONMENT = "Environment"

Object = Mapping[str, Any]


@dataclass(frozen=True, order=True)
class Key:
    """Which object; `kind` is ROLLOUT or ENVIRONMENT."""

    kind: str
    namespace: str
    name: str


class Objects(Protocol):
    """See the module's contract."""

    def start(self, changed: Callable[[], None]) -> None:
        """Begin to watch; `changed` is called, from another thread, whenever an object has changed."""
        ...

    def stop(self) -> None:
        """End the watch."""
        ...

    def present(self) -> Mapping[Key, Object]:
        """Return all objects. Raises Transient before the first complete reading."""
        ...

    def create(self, key: Key, body: Object) -> None:
        """Create the object. Raises NotFound when its namespace does not exist."""
        ...

    def patch(self, key: Key, body: Object) -> None:
        """Merge into the object (RFC 7386); a `metadata.resourceVersion` in it must still be the object's."""
        ...

    def patch_status(self, key: Key, status: Object) -> Object:
        """Replace the fields of `status`; return the object as it is now."""
        ...

    def delete(self, key: Key) -> None:
        """Delete the object."""
        ...

    def tell(self, key: Key, uid: str, name: str, reason: str, message: str, *, warning: bool) -> None:
        """Record a Kubernetes Event about the object; `name` makes repeats harmless."""
        ...
