"""Read YAML with bounds and line numbers: text in, a tree of nodes and a list of problems out. Pure.

Every scalar stays the text its author wrote: YAML 1.1 turns `no` into false, `1:30` into 90 and `1.10` into 1.1,
which is never what a branch, a command or a version meant. `format` gives the text its type.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import yaml

from pipelines.errors import Problem

MAX_BYTES = 256 * 1024  # a thousand services fit; PyYAML reads this in well under a second
MAX_DEPTH = 16  # the format itself needs 6
MAX_NODES = 50_000  # counted after aliases are expanded, which is what defuses alias bombs

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_NULLS = frozenset({"", "~", "null", "Null", "NULL"})


@dataclass
class Node:
    """A value and the line it begins on. `value` is text, None, a list of nodes, or key -> node."""

    value: str | list[Node] | dict[str, Node] | None
    line: int
    size: int = 1
    keys: dict[str, int] = field(default_factory=dict)  # line of each key of a mapping


class Refused(Exception):
    """The text cannot be read any further."""

    def __init__(self, line: int, message: str, remedy: str) -> None:
        super().__init__(message)
        self.line, self.message, self.remedy = line, message, remedy


def read_document(content: bytes | str, file: str) -> tuple[Node | None, list[Problem]]:
    """Return the root mapping and the problems met (duplicate keys); no root when nothing can be read."""
    problems: list[Problem] = []
    try:
        root = _Reader(_decode(content), file, problems).read()
    except Refused as refused:
        return None, [*problems, Problem(file, refused.line, "", refused.message, remedy=refused.remedy)]
    except yaml.YAMLError as error:
        return None, [*problems, _syntax_problem(error, file)]
    except (ValueError, OverflowError) as error:  # PyYAML lets e.g. "\UFFFFFFFF" through to chr()
        return None, [*problems, Problem(file, 0, "", f"is not valid YAML: {error}")]
    return root, problems


def _decode(content: bytes | str) -> str:
    size = len(content)
    if size > MAX_BYTES:
        raise Refused(0, f"is {size} bytes long, the limit is {MAX_BYTES}", "Keep generated data in another file")
    try:
        text = content.decode("utf-8-sig") if isinstance(content, bytes) else content
        text.encode("utf-8")
    except UnicodeError as error:
        raise Refused(
            0, f"is not UTF-8: {error.reason if hasattr(error, 'reason') else error}", "Save it as UTF-8"
        ) from None
    return text


def _syntax_problem(error: yaml.YAMLError, file: str) -> Problem:
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    what = getattr(error, "problem", None) or getattr(error, "reason", None) or "cannot be read"
    line = mark.line + 1 if mark is not None else 0
    return Problem(file, line, "", f"is not valid YAML: {what}", remedy="Check indentation, quotes and colons here")


class _Reader:
    """Composes nodes from PyYAML's event stream, which is flat: no recursion before the depth is known."""

    def __init__(self, text: str, file: str, problems: list[Problem]) -> None:
        self._events: Iterator[yaml.Event] = iter(yaml.parse(text, Loader=_LOADER))
        self._file = file
        self._problems = problems
        self._anchors: dict[str, Node | None] = {}
        self._total = 0

    def read(self) -> Node:
        next(self._events)  # stream start
        if isinstance(next(self._events), yaml.StreamEndEvent):
            raise Refused(0, "is empty", "Describe at least one service; see docs/pipelines.md")
        root = self._node(next(self._events), 0)
        next(self._events)  # document end
        following = next(self._events)
        if not isinstance(following, yaml.StreamEndEvent):
            raise Refused(_line(following), "holds more than one document", "Remove the `---` line and what follows it")
        if not isinstance(root.value, dict):
            raise Refused(root.line, "is not a mapping", "Begin with `services:`; see docs/pipelines.md")
        return root

    def _node(self, event: yaml.Event, depth: int) -> Node:
        if depth > MAX_DEPTH:
            raise Refused(_line(event), f"is nested deeper than {MAX_DEPTH} levels", "Make it flatter")
        if isinstance(event, yaml.AliasEvent):
            node = self._anchors.get(event.anchor or "")
            if node is None:
                raise Refused(_line(event), f"*{event.anchor} refers to itself or to nothing", "Write the value out")
            self._count(node.size, event)
            return node
        self._count(1, event)
        anchor = getattr(event, "anchor", None)
        if anchor:
            self._anchors[anchor] = None
        node = self._fresh(event, depth)
        if anchor:
            self._anchors[anchor] = node
        return node

    def _fresh(self, event: yaml.Event, depth: int) -> Node:
        tag = getattr(event, "tag", None)
        if tag and tag != "tag:yaml.org,2002:str":
            raise Refused(_line(event), f"has the YAML tag {tag}", "Remove the tag: values are plain text here")
        if isinstance(event, yaml.SequenceStartEvent):
            return self._sequence(event, depth)
        if isinstance(event, yaml.MappingStartEvent):
            return self._mapping(event, depth)
        assert isinstance(event, yaml.ScalarEvent)  # noqa: S101 - the YAML grammar leaves nothing else here
        null = event.implicit[0] and event.value in _NULLS  # plain, not quoted
        return Node(None if null else event.value, _line(event))

    def _sequence(self, start: yaml.Event, depth: int) -> Node:
        items: list[Node] = []
        while not isinstance(event := next(self._events), yaml.SequenceEndEvent):
            items.append(self._node(event, depth + 1))
        return Node(items, _line(start), 1 + sum(item.size for item in items))

    def _mapping(self, start: yaml.Event, depth: int) -> Node:
        node = Node({}, _line(start))
        values: dict[str, Node] = {}
        while not isinstance(event := next(self._events), yaml.MappingEndEvent):
            key = self._node(event, depth + 1)
            value = self._node(next(self._events), depth + 1)
            if not isinstance(key.value, str):
                raise Refused(key.line, "has a key that is not plain text", "Keys are names such as `services`")
            if key.value in values:
                self._problems.append(_duplicate(self._file, key, node.keys[key.value]))
            values[key.value] = value
            node.keys[key.value] = _line(event)
            node.size += key.size + value.size
        node.value = values
        return node

    def _count(self, size: int, event: yaml.Event) -> None:
        self._total += size
        if self._total > MAX_NODES:
            raise Refused(_line(event), f"has more than {MAX_NODES} values, aliases expanded", "Make it smaller")


def _duplicate(file: str, key: Node, first: int) -> Problem:
    name = str(key.value)[:80]
    return Problem(file, key.line, name, f"is given twice, first on line {first}", name, "Keep one of the two")


def _line(event: yaml.Event) -> int:
    mark = event.start_mark
    return mark.line + 1 if mark is not None else 0
