"""Updates: read, change, save, and again when somebody else was faster. Neighbours: all flows that change rows."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from delivery.errors import Conflict
from delivery.ports.store import Repository

T = TypeVar("T")
TRIES = 20  # others change a row a few times a second at most


def update(rows: Repository[T], id: str, change: Callable[[T], T]) -> T:
    """Apply `change` to the newest row until it is saved; an equal row is not saved. Raises NotFound, Conflict."""
    for _ in range(TRIES):
        row = rows.get(id)
        changed = change(row)
        if changed == row:
            return row
        try:
            return rows.save(changed)
        except Conflict:
            continue
    raise Conflict(f"{id} changes faster than it can be saved", value=id)
