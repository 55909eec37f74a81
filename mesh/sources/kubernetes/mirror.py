"""Mirror: the copy of one collection, kept by lists and watch events. Pure; the reflector drives it.

Whatever comes in which order, after the last list and the events that follow it the copy is the collection: a list
replaces everything and tells only what differs, so what is still there does not flicker.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from mesh.sources.kubernetes.objects import Json, Name, Record


@dataclass(frozen=True)
class Changes:
    """Records that are new or differ, and names of those that are gone."""

    present: Mapping[Name, Record] = field(default_factory=dict)
    gone: tuple[Name, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.present or self.gone)


class Mirror:
    """`version` is where a watch goes on; "" means that only a list helps. `synced` once the first list is in."""

    def __init__(self, read: Callable[[Json], Record | None]) -> None:
        self.records: dict[Name, Record] = {}
        self.version = ""
        self.synced = False
        self._read = read
        self._pages: dict[Name, Record] = {}

    def page(self, items: Iterable[Json]) -> None:
        """Take in a page of a list that has begun."""
        for item in items:
            record = self._read(item)
            if record is not None:
                self._pages[record.name] = record

    def drop_pages(self) -> None:
        """Forget the pages of a list that broke off."""
        self._pages = {}

    def listed(self, version: str) -> Changes:
        """The list is complete, as of `version`: make it the copy; return what differs."""
        before, after = self.records, self._pages
        changes = Changes(
            {name: record for name, record in after.items() if before.get(name) != record},
            tuple(name for name in before if name not in after),
        )
        self.records = {name: before[name] if name not in changes.present else after[name] for name in after}
        self._pages, self.version, self.synced = {}, version, True
        return changes

    def event(self, kind: str, item: Json) -> Changes:
        """Take in a watch event; return what differs. A bookmark only moves the version on."""
        metadata: Mapping[str, Any] = item["metadata"]
        self.version = str(metadata["resourceVersion"])
        if kind == "BOOKMARK":
            return Changes()
        name = (str(metadata.get("namespace") or ""), str(metadata["name"]))
        record = None if kind == "DELETED" else self._read(item)
        held = self.records.get(name)
        if record == held:
            return Changes()
        if record is None:
            del self.records[name]
            return Changes(gone=(name,))
        self.records[name] = record
        return Changes({name: record})

    def expire(self) -> None:
        """The version is no longer kept (410 Gone): a list is needed. What is known stays until then."""
        self.version = ""
