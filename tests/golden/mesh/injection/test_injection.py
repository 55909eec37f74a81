"""Golden: whole files in, whole files out. `UPDATE_GOLDEN=1 pytest tests/golden/mesh/injection` writes them anew."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from mesh.injection import Mode, Options, inject_text

HERE = Path(__file__).parent
CA = "-----BEGIN CERTIFICATE-----\nroots of the mesh\n-----END CERTIFICATE-----\n"


@pytest.mark.parametrize("mode", list(Mode), ids=str)
def test_a_teams_file(mode: Mode) -> None:
    text, _ = inject_text((HERE / "team.yaml").read_text(), Options("colorlane:1.0", CA, mode=mode))
    expected = HERE / f"team.{mode}.yaml"
    if os.environ.get("UPDATE_GOLDEN"):
        expected.write_text(text)
    assert text == expected.read_text()
