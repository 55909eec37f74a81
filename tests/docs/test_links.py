"""Every link within the repository leads somewhere, and every page is reached from the index."""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from urllib.parse import unquote, urlsplit

import pytest

from tests.architecture.sources import ROOT, tracked_files
from tests.docs.pages import Page, pages

BY_PATH = {page.path: page for page in pages()}


def target_of(page: Page, link: str) -> tuple[str, str]:
    """Return (path in the repository, anchor) of a relative link."""
    parts = urlsplit(link)
    path = unquote(parts.path)
    if not path:
        return page.path, parts.fragment
    absolute = (ROOT / PurePosixPath(page.path).parent / path).resolve()
    return absolute.relative_to(ROOT).as_posix(), parts.fragment


def is_relative(link: str) -> bool:
    return not urlsplit(link).scheme and not link.startswith("//")


@pytest.mark.parametrize("page", pages(), ids=lambda page: page.path)
def test_links_resolve(page: Page) -> None:
    dead = []
    for link in filter(is_relative, page.links()):
        path, anchor = target_of(page, link)
        found = (ROOT / path).exists()
        if not found or (anchor and path in BY_PATH and anchor not in BY_PATH[path].anchors()):
            dead.append(link)
    assert not dead, f"{page.path} links to what is not there: {dead}"


def test_every_page_is_in_the_index() -> None:
    index = BY_PATH["docs/README.md"]
    linked = {target_of(index, link)[0] for link in filter(is_relative, index.links())}
    wanted = {path for path in BY_PATH if path.startswith("docs/") and path.count("/") == 1} - {"docs/README.md"}
    assert wanted <= linked, f"not in docs/README.md: {sorted(wanted - linked)}"


def test_every_decision_is_listed_and_well_named() -> None:
    index = BY_PATH["docs/decisions/README.md"]
    linked = {target_of(index, link)[0] for link in filter(is_relative, index.links())}
    decisions = {name for name in tracked_files() if name.startswith("docs/decisions/")} - {"docs/decisions/README.md"}
    assert decisions <= linked, (
        f"run: python -m tests.docs.decisions_page > docs/decisions/README.md ({sorted(decisions - linked)})"
    )
    names = [PurePosixPath(path).name for path in decisions]
    assert all(re.fullmatch(r"\d{4}-[a-z0-9-]+\.md", name) for name in names), names
    assert len({name[:4] for name in names}) == len(names), f"two decisions share a number: {sorted(names)}"
