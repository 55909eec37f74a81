"""Applies a JSON Patch as an API server would: the operations that injection uses (RFC 6902 add, remove, replace)."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any


def patched(document: Any, operations: Sequence[dict[str, Any]]) -> Any:
    """Return the document with all operations done, in their order. Raises KeyError where one does not fit."""
    changed = copy.deepcopy(document)
    for operation in operations:
        *way, last = [part.replace("~1", "/").replace("~0", "~") for part in operation["path"].split("/")[1:]]
        target = changed
        for part in way:
            target = target[int(part)] if isinstance(target, list) else target[part]
        key: Any = int(last) if isinstance(target, list) else last
        if operation["op"] == "remove":
            del target[key]
        elif operation["op"] == "replace":
            target[key]
            target[key] = copy.deepcopy(operation["value"])
        else:
            assert isinstance(target, dict), "lists are replaced whole"
            target[key] = copy.deepcopy(operation["value"])
    return changed
