"""The demo is the main end-to-end test: every claim of the story observed on real Envoys, Redis and Git."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e.conftest import free_ports

pytestmark = [pytest.mark.e2e, pytest.mark.xdist_group("e2e"), pytest.mark.timeout(900)]


def test_every_claim_of_the_demo_is_observed(tmp_path: Path) -> None:
    api, gateway, xds, mesh = free_ports(4)
    environment = os.environ | {
        "COLORLANE_API_PORT": str(api),
        "COLORLANE_GATEWAY_PORT": str(gateway),
        "COLORLANE_XDS_PORT": str(xds),
        "COLORLANE_MESH_PORT": str(mesh),
        "COLORLANE_MESH_URL": f"http://127.0.0.1:{mesh}",
    }
    done = subprocess.run(
        [sys.executable, "-m", "delivery", "demo", "--exit", "--json", "--state-dir", str(tmp_path / "demo")],
        env=environment, capture_output=True, text=True, timeout=850, check=False,
    )  # fmt: skip
    assert done.stdout, done.stderr[-4000:]
    story = json.loads(done.stdout)
    assert [claim for claim in story["claims"] if not claim["ok"]] == []
    assert len(story["claims"]) >= 25
    assert done.returncode == 0
