"""Which clusters take `preStop.sleep`."""

from __future__ import annotations

from typing import Any

import pytest

from mesh.errors import Transient
from mesh.webhook.abilities import has_native_sleep


class Server:
    """An API server of a version; None for one that is away."""

    def __init__(self, minor: str | None) -> None:
        self.minor = minor

    async def get(self, path: str) -> dict[str, Any]:
        assert path == "/version"
        if self.minor is None:
            raise Transient("nobody answers")
        return {"major": "1", "minor": self.minor, "gitVersion": "v1.x"}


@pytest.mark.parametrize(
    ("minor", "knows"), [("29", False), ("29+", False), ("30", True), ("36", True), ("?", True), (None, True)]
)
async def test_by_its_version(minor: str | None, knows: bool) -> None:
    assert await has_native_sleep(Server(minor)) is knows
