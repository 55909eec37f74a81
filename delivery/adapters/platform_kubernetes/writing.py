"""Writing one object, and how its references and names are put. Neighbours: applying, shared, removing."""

from __future__ import annotations

from typing import Any, Final

from delivery.adapters.platform_kubernetes.api import Api, Json
from delivery.adapters.platform_kubernetes.objects import Object
from delivery.adapters.platform_kubernetes.refusals import Refused, explained

# A resourceVersion that no object of a cluster has: apply then creates, or is refused with a conflict.
ABSENT: Final = "1"


def written(api: Api, item: Object, *, dry_run: bool = False) -> Object:
    """Apply one object, taking our fields from whoever holds them. Raises what a refusal means."""
    try:
        return api.apply(item, dry_run=dry_run)
    except Refused as refused:
        raise explained(refused, place(item)) from refused


def place(item: Json) -> str:
    """Return how messages name an object."""
    metadata = item["metadata"]
    return f"{item['kind']}/{metadata['name']} in {metadata.get('namespace', 'the cluster')}"


def owner(deployment: Json, *, blocks: bool) -> Object:
    """Return a reference to the Deployment; one that `blocks` keeps it until the object is gone."""
    metadata = deployment["metadata"]
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "name": metadata["name"],
        "uid": metadata["uid"],
        "controller": False,
        "blockOwnerDeletion": blocks,
    }


def with_metadata(item: Object, **metadata: Any) -> Object:
    """Return the object with more metadata."""
    return {**item, "metadata": {**item["metadata"], **metadata}}
