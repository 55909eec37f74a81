"""The in-memory side of `mesh.telemetry.shelf.Shelf`."""

from __future__ import annotations

from collections.abc import Collection, Mapping


class MemoryShelf:
    """Fields in a dict; `broken` makes it fail like a store that is away."""

    def __init__(self) -> None:
        self.fields: dict[str, str] = {}
        self.broken = False
        self.saves = 0

    async def load(self) -> Mapping[str, str]:
        return dict(self.fields)

    async def save(self, fields: Mapping[str, str], removed: Collection[str] = ()) -> None:
        if self.broken:
            raise OSError("the store is away")
        self.saves += 1
        self.fields.update(fields)
        for name in removed:
            self.fields.pop(name, None)
