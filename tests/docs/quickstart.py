"""The quickstart's files, cut out of the page: what a reader would have typed."""

from __future__ import annotations

import re
from pathlib import Path

from tests.docs.pages import Page, pages

PAGE = "docs/quickstart.md"


def files() -> dict[str, str]:
    """Return path -> content of the blocks whose first line is a comment with a path."""
    (page,) = (each for each in pages() if each.path == PAGE)
    found = {}
    for block in page.blocks():
        named = re.match(r"# ([\w./-]+\.\w+)\n", block.text)
        if named:
            found[named[1]] = block.text
    return found


def write(directory: Path) -> None:
    """Lay the files out as the page says."""
    for name, text in files().items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def sections() -> dict[str, list[str]]:
    """Return heading -> its shell blocks, in order."""
    (page,) = (each for each in pages() if each.path == PAGE)
    found = {}
    for part in re.split(r"^## (?:\d+\. )?", page.text, flags=re.MULTILINE)[1:]:
        title, _, text = part.partition("\n")
        found[title] = [block.text for block in Page(PAGE, text).blocks() if block.language == "sh"]
    return found
