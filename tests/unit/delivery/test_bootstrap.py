"""The composition root: what settings make, without anything running."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from delivery.bootstrap import build, describe
from delivery.ports.store import Event
from delivery.settings import Settings


def test_everything_is_wired_and_nothing_has_to_run(tmp_path: Path) -> None:
    parts = build(Settings(state_dir=tmp_path / "state", api_token="s3cret", domain="example.org", gateway_port=80))
    assert sorted(parts.forges) == ["embedded", "gitlab"]
    assert parts.domain == "example.org"
    assert parts.store.projects.find() == []
    parts.store.record(Event(0, 1.0, "shop", "x", "y", "z"))
    assert (tmp_path / "state" / "colorlane.db").exists()
    assert "s3cret" not in str(describe(parts))


def test_state_is_found_again(tmp_path: Path) -> None:
    settings = Settings(state_dir=tmp_path)
    assert build(settings).store.next_generation("x") == 1
    assert build(settings).store.next_generation("x") == 2


@pytest.mark.parametrize(
    ("name", "value"),
    [("COLORLANE_API_PORT", "70000"), ("COLORLANE_SWEEP_INTERVAL", "0"), ("COLORLANE_JOB_ATTEMPTS", "none")],
)
def test_wrong_settings_name_the_field(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(ValidationError, match=name.removeprefix("COLORLANE_").lower()):
        Settings()


def test_derived_addresses() -> None:
    settings = Settings(mesh_port=1, api_port=2, api_host="127.0.0.1", state_dir=Path("/x"))
    assert settings.mesh == "http://127.0.0.1:1"
    assert settings.api_url == "http://localhost:2"
    assert settings.database == "sqlite:////x/colorlane.db"
    assert Settings(mesh_url="http://mesh:9/").mesh == "http://mesh:9"
    assert Settings(database_url="postgresql+psycopg://x/y").database == "postgresql+psycopg://x/y"
