"""Reading fields of manifests: typed, with the path of the field in every refusal. Pure.

Neighbours: manifests, probes, environment, podspec.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

from delivery.errors import Rejected

SHOWN = 60  # characters of a wrong value that a message shows


@dataclass(frozen=True)
class Fields:
    """A mapping of a manifest and where it stands, e.g. `Deployment/reviews: spec.template.spec`."""

    where: str
    body: Mapping[str, Any]

    def path(self, name: str) -> str:
        """Return the full path of a field."""
        return f"{self.where}.{name}" if not self.where.endswith(": ") else f"{self.where}{name}"

    def refuse(self, name: str, why: str, remedy: str) -> NoReturn:
        """Raise Rejected for the field."""
        value = self.body.get(name)
        raise Rejected(f"{self.path(name)}: {why}", field=self.path(name), value=value, remedy=remedy)

    def has(self, name: str) -> bool:
        """Tell whether the field is there and not null or empty."""
        return self.body.get(name) not in (None, "", [], {})

    def child(self, name: str) -> Fields:
        """Return the mapping in the field, an empty one if it is missing."""
        value = self.body.get(name)
        if value is None:
            return Fields(self.path(name), {})
        if not isinstance(value, Mapping):
            self.refuse(name, f"must be a mapping, not {shown(value)}", "write it as `key: value` lines")
        return Fields(self.path(name), value)

    def children(self, name: str) -> list[Fields]:
        """Return the mappings of a list field."""
        value = self.body.get(name)
        if value is None:
            return []
        if isinstance(value, str) or not isinstance(value, Sequence):
            self.refuse(name, f"must be a list, not {shown(value)}", "write it as `- ` items")
        for index, item in enumerate(value):
            if not isinstance(item, Mapping):
                self.refuse(name, f"item {index} must be a mapping, not {shown(item)}", "write `key: value` lines")
        return [Fields(f"{self.path(name)}[{index}]", item) for index, item in enumerate(value)]

    def text(self, name: str, default: str = "") -> str:
        """Return a string field."""
        value = self.body.get(name)
        if value is None:
            return default
        if not isinstance(value, str):
            self.refuse(name, f"must be a string, not {shown(value)}", f'quote it: "{value}"')
        return value

    def texts(self, name: str) -> tuple[str, ...]:
        """Return a list of strings."""
        value = self.body.get(name)
        if value is None:
            return ()
        if isinstance(value, str) or not isinstance(value, Sequence) or not all(isinstance(v, str) for v in value):
            self.refuse(
                name, f"must be a list of strings, not {shown(value)}", "quote numbers and booleans in the list"
            )
        return tuple(value)

    def mapping(self, name: str) -> dict[str, str]:
        """Return a mapping of strings to strings."""
        child = self.child(name)
        return {str(key): child.text(str(key)) for key in child.body}

    def number(self, name: str, default: float, low: float = 0, high: float = 1_000_000) -> float:
        """Return a number within bounds."""
        value = self.body.get(name)
        if value is None:
            return default
        if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
            bounds = f"a number from {low:g} to {high:g}"
            self.refuse(name, f"must be {bounds}, not {shown(value)}", f"write {bounds}")
        return value

    def known(self, understood: frozenset[str], meaningless: frozenset[str], remedy: str) -> list[str]:
        """Refuse fields that would be lost without a word; return the paths of those that mean nothing here."""
        for name in self.body:
            if name not in understood and name not in meaningless and self.has(name):
                self.refuse(name, "the local platform does not support this field", remedy)
        return [self.path(name) for name in self.body if name in meaningless and self.has(name)]


def shown(value: object) -> str:
    """Return a value as JSON, cut to a readable length."""
    text = json.dumps(value, default=str)
    return text if len(text) <= SHOWN else text[:SHOWN] + "..."
