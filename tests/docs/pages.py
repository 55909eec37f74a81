"""The documentation as data: pages, their links, headings, fenced blocks and inline code."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

from tests.architecture.sources import ROOT, tracked_files

FENCE = re.compile(
    r"^(?P<fence>```+|~~~+)(?P<language>[\w.+-]*)[^\n]*\n(?P<text>.*?)^(?P=fence)[ \t]*$", re.DOTALL | re.MULTILINE
)
LINK = re.compile(r"!?\[[^\]\n]*\]\((?P<target>[^)\s]+)\)")
CODE = re.compile(r"`([^`\n]+)`")


@dataclass(frozen=True)
class Block:
    """One fenced block; `line` is that of its opening fence."""

    page: str
    line: int
    language: str
    text: str


@dataclass(frozen=True)
class Page:
    """One Markdown file; `path` is relative to the repository."""

    path: str
    text: str

    def blocks(self) -> Iterator[Block]:
        """Yield the fenced blocks."""
        for match in FENCE.finditer(self.text):
            yield Block(self.path, self.text.count("\n", 0, match.start()) + 1, match["language"], match["text"])

    @property
    def prose(self) -> str:
        """The text without fenced blocks."""
        return FENCE.sub("", self.text)

    def links(self) -> Iterator[str]:
        """Yield the targets of links and images in the prose."""
        return (match["target"] for match in LINK.finditer(CODE.sub("", self.prose)))

    def inline_code(self) -> Iterator[str]:
        """Yield what stands between backticks in the prose."""
        return (match[1] for match in CODE.finditer(self.prose))

    def anchors(self) -> set[str]:
        """Return the anchors a Git host makes of the headings."""
        headings = re.findall(r"^#+ +(.*?) *#*$", self.prose, re.MULTILINE)
        plain = (re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading) for heading in headings)
        return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in plain}


@cache
def pages() -> tuple[Page, ...]:
    """Return every tracked Markdown file outside samples and fixtures."""
    names = [name for name in tracked_files() if name.endswith(".md") and not name.startswith(("samples/", "tests/"))]
    return tuple(Page(name, (ROOT / name).read_text(encoding="utf-8")) for name in names)


def blocks(*languages: str) -> list[Block]:
    """Return the fenced blocks of all pages in one of the languages."""
    return [block for page in pages() for block in page.blocks() if block.language in languages]
