"""Updates: read, change, save, and again when somebody else was faster. Neighbours: all flows that change rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from delivery.errors import Conflict
from delivery.ports.store import Event, Repository

T = TypeVar("T")
TRIES = 20  # others change a row a few times a second at most


def update(
    rows: Repository[T], id: str, change: Callable[[T], T], said: Callable[[T], Sequence[Event]] | None = None
) -> T:
    """Apply `change` to the newest row until it is saved; an equal row is not saved. Raises NotFound, Conflict.

    `said` gives the events that are recorded with the changed row, and only with it.
    """
    for _ in range(TRIES):
        row = rows.get(id)
        changed = change(row)
        if changed == row:
            return row
        try:
            return rows.save(changed, said(changed) if said else ())
        except Conflict:
            continue
    raise Conflict(f"{id} changes faster than it can be saved", value=id)
