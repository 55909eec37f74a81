"""The commands against the real API around an in-memory world, in one process."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from delivery.cli.app import main
from tests.unit.delivery.api.conftest import House, house

__all__ = ["house"]


@dataclass
class Answer:
    """What a command printed, and how it ended."""

    code: int
    out: str
    err: str


@pytest.fixture
def colorlane(
    house: House,
    monkeypatch: pytest.MonkeyPatch,
    capfdbinary: pytest.CaptureFixture[bytes],
) -> Callable[..., Answer]:
    """Run a command line; words are given apart."""

    def connect(**given: Any) -> Any:
        client = house.client()
        client.headers.update(given.get("headers", {}))
        return client

    monkeypatch.setattr("delivery.cli.client.httpx.Client", connect)

    def run(*words: str) -> Answer:
        code = main(["--api", "http://localhost", *words])
        out, err = capfdbinary.readouterr()
        return Answer(code, out.decode(), err.decode())

    return run
