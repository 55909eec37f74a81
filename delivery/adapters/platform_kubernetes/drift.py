"""What differs in the cluster from what was applied. Pure but for what it is given; neighbour: adapter.

Server-side apply keeps books: a field of ours that somebody changes is theirs from then on (`managedFields`). So the
fields of our objects that others hold are the drift; controllers, which are meant to write theirs, are left out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from delivery.adapters.platform_kubernetes.names import FIELD_MANAGER, OBJECTS

EXPECTED = frozenset({FIELD_MANAGER, "colorlane-floor", "kube-controller-manager", "kube-apiserver"})
OURS = ("f:spec", "f:data", "f:binaryData", "f:stringData", "f:type")  # not: notes of others in the metadata

Object = Mapping[str, Any]


def drifted(item: Object) -> Iterator[str]:
    """Yield the fields of an object that another manager has changed, `<kind>/<name> .spec.replicas: by <manager>`."""
    metadata = item["metadata"]
    for entry in metadata.get("managedFields") or []:
        if entry.get("manager") in EXPECTED or entry.get("subresource") == "status":
            continue
        fields = entry.get("fieldsV1") or {}
        for field in sorted(path for root in OURS if root in fields for path in _paths(fields[root], f".{root[2:]}")):
            yield f"{item['kind']}/{metadata['name']} {field}: by {entry.get('manager')} at {entry.get('time', '?')}"


def missing(deployment: Object, live: Sequence[Object]) -> Iterator[str]:
    """Yield the objects that were applied with the Deployment and are gone."""
    noted = (deployment["metadata"].get("annotations") or {}).get(OBJECTS, "")
    there = {f"{item['kind']}/{item['metadata']['name']}" for item in live}
    for name in filter(None, noted.split(",")):
        if name not in there:
            yield f"{name}: was deleted"


def _paths(fields: Mapping[str, Any], path: str) -> Iterator[str]:
    inner = {name: value for name, value in fields.items() if name != "."}
    if not inner:
        yield path
    for name, value in inner.items():
        kind, _, rest = name.partition(":")
        yield from _paths(value, f"{path}.{rest}" if kind == "f" else f"{path}[{rest}]")
