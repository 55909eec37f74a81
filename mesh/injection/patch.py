"""The difference of two JSON documents as a JSON Patch (RFC 6902), for admission webhooks. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any


def difference(before: Any, after: Any, path: str = "") -> list[dict[str, Any]]:
    """Return the operations that make `after` out of `before`, in the order of their paths."""
    return list(_operations(before, after, path))


def _operations(before: Any, after: Any, path: str) -> Iterator[dict[str, Any]]:
    if before == after:
        return
    if isinstance(before, dict) and isinstance(after, dict):
        for key in sorted(before.keys() | after.keys()):
            yield from _member(before, after, key, f"{path}/{_escaped(key)}")
    elif isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        for index, (one, other) in enumerate(zip(before, after, strict=True)):
            yield from _operations(one, other, f"{path}/{index}")
    else:
        yield {"op": "replace", "path": path, "value": after}


def _member(before: dict[str, Any], after: dict[str, Any], key: str, path: str) -> Iterator[dict[str, Any]]:
    if key not in after:
        yield {"op": "remove", "path": path}
    elif key not in before:
        yield {"op": "add", "path": path, "value": after[key]}
    else:
        yield from _operations(before[key], after[key], path)


def _escaped(key: str) -> str:
    return key.replace("~", "~0").replace("/", "~1")
