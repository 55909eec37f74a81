"""A project whose first release runs, in memory."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import structlog

from tests.fakes.world import FakeWorld


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    with structlog.testing.capture_logs():
        yield


@pytest.fixture
def shop() -> FakeWorld:
    """A project whose first release runs."""
    shop = FakeWorld()
    shop.forge.push("main", "c1", page="1", reviews="1")
    shop.settle(5)
    return shop
