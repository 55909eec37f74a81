"""A collection of an API server in memory: lists by pages, watches, history that is forgotten, faults on order.

It keeps the rules that a client relies on: versions only rise, all pages of a list are of one version, a watch tells
every change after its version, one whose version is forgotten is answered 410 Gone.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping
from typing import Any

from mesh.apiserver import Denied, Gone
from mesh.errors import Transient

Item = dict[str, Any]


class Collection:
    """`faults` are taken one by one, by each list page and each watch: "" for none.

    "away": no answer; "denied": 403; "unknown": 401; "gone": 410; "cut": the watch breaks off after an event.
    """

    def __init__(self, page: int = 2) -> None:
        self.items: dict[str, Item] = {}
        self.version = 1
        self.faults: list[str] = []
        self.requests: list[str] = []
        self.renewed = 0
        self._page = page
        self._oldest = 1
        self._history: list[tuple[int, str, Item]] = []
        self._listed: tuple[int, list[Item]] = (1, [])  # version and items of the list that is being read

    def put(self, name: str, **spec: Any) -> None:
        """Make or change an object."""
        self.version += 1
        kind = "MODIFIED" if name in self.items else "ADDED"
        self.items[name] = self._item(name, spec)
        self._history.append((self.version, kind, self.items[name]))

    def remove(self, name: str) -> None:
        """Delete an object, if it is there."""
        if name in self.items:
            self.version += 1
            gone = self._item(name, self.items.pop(name)["spec"])
            self._history.append((self.version, "DELETED", gone))

    def forget(self) -> None:
        """Forget all history."""
        self._oldest = self.version
        self._history.clear()

    async def get(self, path: str, query: Mapping[str, Any] | None = None) -> Item:
        """Answer a page of a list."""
        self.requests.append("list")
        await asyncio.sleep(0)
        self._fault()
        start = int((query or {}).get("continue", "0"))
        if not start:
            self._listed = (self.version, [self.items[name] for name in sorted(self.items)])
        version, items = self._listed
        metadata = {"resourceVersion": str(version)}
        if start + self._page < len(items):
            metadata["continue"] = str(start + self._page)
        return {"metadata": metadata, "items": items[start : start + self._page]}

    async def events(self, path: str, query: Mapping[str, Any], *, silence: float) -> AsyncGenerator[Item, None]:
        """Answer a watch: what has happened since, a bookmark, the end."""
        self.requests.append("watch")
        await asyncio.sleep(0)
        is_cut = self._fault() == "cut"
        since = int(query["resourceVersion"])
        if since < self._oldest:
            raise Gone("too old resource version")
        yield {"type": "CONNECTED"}
        for version, kind, item in list(self._history):
            if version > since:
                yield {"type": kind, "object": item}
                if is_cut:
                    raise Transient("the connection broke")
        yield {"type": "BOOKMARK", "object": {"metadata": {"resourceVersion": str(self.version)}}}

    async def renew_credentials(self) -> None:
        """Count."""
        self.renewed += 1

    def _item(self, name: str, spec: Mapping[str, Any]) -> Item:
        return {
            "metadata": {"name": name, "namespace": "shop", "resourceVersion": str(self.version)},
            "spec": dict(spec),
        }

    def _fault(self) -> str:
        fault = self.faults.pop(0) if self.faults else ""
        match fault:
            case "away":
                raise Transient("nobody answers")
            case "gone":
                raise Gone("the version is no longer kept")
            case "denied":
                raise Denied("pods is forbidden: cannot list", field="rbac", remedy="bind the role")
            case "unknown":
                raise Denied("Unauthorized", field="credentials", remedy="renew")
        return fault
