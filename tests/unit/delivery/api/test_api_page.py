"""docs/api.md names every address there is."""

from __future__ import annotations

from pathlib import Path

from fastapi.testclient import TestClient

PAGE = (Path(__file__).parents[4] / "docs" / "api.md").read_text()


def test_every_address_is_on_the_page(client: TestClient) -> None:
    paths = client.get("/openapi.json").json()["paths"]
    missing = [path for path in paths if f"{path}`" not in PAGE and f"{path}?" not in PAGE]
    assert not missing
