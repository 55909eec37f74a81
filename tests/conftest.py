"""Order and grouping of all tests: quick and pure first, the whole stack last and never beside itself.

`pytest -n 2 --dist loadgroup` is safe: tests of one file that start real servers stay on one worker, and the
end-to-end tests all on one, because each of them wants the machine for itself.
"""

from __future__ import annotations

from pathlib import Path

import pytest

TESTS = Path(__file__).parent
ORDER = (
    *("unit", "golden", "scenarios", "features", "contracts", "architecture", "docs", "integration", "e2e"),
    "kubernetes",  # last: CI builds the API server meanwhile
)
TOGETHER = {"e2e": "e2e", "kubernetes": "kubernetes"}  # folder -> one group for all of it
BY_FILE = {"integration", "contracts", "features"}  # one group per file: its servers are started once


def pytest_addoption(parser: pytest.Parser) -> None:
    """Golden files are rewritten by one flag."""
    parser.addoption("--write-golden", action="store_true", help="write golden files anew instead of comparing")


@pytest.fixture
def write_golden(request: pytest.FixtureRequest) -> bool:
    """Whether golden files are to be written."""
    return bool(request.config.getoption("--write-golden"))


def folder(item: pytest.Item) -> str:
    """Return the folder below tests/ that holds the test."""
    return item.path.relative_to(TESTS).parts[0]


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Sort by folder, keep the order within, and tell pytest-xdist what belongs together."""
    items.sort(key=lambda item: ORDER.index(folder(item)) if folder(item) in ORDER else len(ORDER))
    for item in items:
        place = folder(item)
        if place in TOGETHER:
            item.add_marker(pytest.mark.xdist_group(TOGETHER[place]))
        elif place in BY_FILE:
            item.add_marker(pytest.mark.xdist_group(str(item.path)))
