"""Output: tables for people, JSON for programs. Neighbours: all commands."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Sequence
from typing import Any

from rich.console import Console, ConsoleDimensions
from rich.markup import escape
from rich.table import Table

# Control characters but tab and line feed, marks that turn the reading direction, halves of characters.
STEERING = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
PIPED = 1000  # columns where there is no terminal: what `grep` and `cut` read is never wrapped


class Paper(Console):
    """A console that asks anew where its output goes, and never wraps what a program reads."""

    @property
    def size(self) -> ConsoleDimensions:
        """Return the terminal's size, or one without an edge."""
        return super().size if self.is_terminal else ConsoleDimensions(PIPED, 25)

    @size.setter
    def size(self, new_size: tuple[int, int]) -> None:
        self._width, self._height = new_size


console = Paper(highlight=False)
errors = Paper(stderr=True, highlight=False)

STATE_STYLES = {
    "succeeded": "green",
    "promoted": "green",
    "success": "green",
    "ready": "green",
    "active": "green",
    "failed": "red",
    "rolled_back": "red",
    "failing": "red",
    "building": "cyan",
    "deploying": "cyan",
    "progressing": "cyan",
    "promoting": "cyan",
    "running": "cyan",
    "paused": "yellow",
    "rolling_back": "yellow",
    "degraded": "yellow",
    "deleting": "yellow",
    "superseded": "dim",
    "canceled": "dim",
    "queued": "dim",
}


def as_json(data: Any) -> None:
    """Print for programs: one JSON document on stdout, nothing else."""
    print(json.dumps(data, indent=2, ensure_ascii=False))


def table(columns: Sequence[str], rows: Sequence[Sequence[str]], empty: str) -> None:
    """Print rows of marked-up cells, or the sentence that says what to do when there are none."""
    if not rows:
        console.print(empty, style="dim")
        return
    grid = Table(box=None, pad_edge=False, header_style="bold dim")
    for index, name in enumerate(columns):
        # Ids and addresses are copied into other commands: folded, never cut. The last column is prose, and gives way.
        last = index == len(columns) - 1
        grid.add_column(name, no_wrap=not last, overflow="fold", min_width=24 if last else None)
    for row in rows:
        grid.add_row(*row)
    console.print(grid)


def facts(pairs: Sequence[tuple[str, str]]) -> None:
    """Print names and marked-up values, those without a value left out."""
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="dim", no_wrap=True)
    grid.add_column()
    for name, value in pairs:
        if value:
            grid.add_row(name, value)
    console.print(grid)


def plain(value: object) -> str:
    """Return a value as text that rich takes literally, and that cannot steer the terminal.

    Authors and messages come with a push: an escape sequence in one could rewrite what the reader sees.
    """
    return escape(STEERING.sub("\ufffd", str(value)))


def state(name: object) -> str:
    """Return a state in its colour."""
    text = plain(name)
    style = STATE_STYLES.get(text, "")
    return f"[{style}]{text.replace('_', ' ')}[/]" if style else text.replace("_", " ")


def short(commit: object) -> str:
    """Return a commit as people say it."""
    return plain(str(commit)[:8])


def age(at: float | None, now: float | None = None) -> str:
    """Return how long ago `at` was, in one unit."""
    if at is None:
        return ""
    seconds = max(0.0, (time.time() if now is None else now) - at)
    for unit, size in (("d", 86_400), ("h", 3_600), ("m", 60)):
        if seconds >= size:
            return f"{int(seconds // size)}{unit}"
    return f"{int(seconds)}s"


def left(until: float | None, now: float | None = None) -> str:
    """Return how much time is left, "" for no end. Half a minute is forgiven: what was just given 7 days has 7."""
    if until is None:
        return ""
    today = time.time() if now is None else now
    return "over" if until <= today else f"in {age(today, until + 30 if until - today >= 60 else until)}"
