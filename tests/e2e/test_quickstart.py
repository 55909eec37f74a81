"""The quickstart, typed as the page says: its files, its shell blocks in order, and what it promises after each."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sysconfig
from pathlib import Path

import pytest

from delivery.demo.doors import Row, wait_for
from tests.docs import quickstart
from tests.e2e.conftest import GIT, Running

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.xdist_group("e2e"),
    pytest.mark.skipif(shutil.which("curl") is None, reason="the page uses curl; Colorlane does not"),
]


class Reader:
    """Somebody who follows the page in `directory`, with the ports of the stack that runs."""

    def __init__(self, running: Running, directory: Path) -> None:
        self.running, self.directory = running, directory
        self.sections = quickstart.sections()

    def types(self, section: str, number: int) -> str:
        """Run one shell block of a section; return what it printed."""
        text = self.sections[section][number]
        settings = self.running.settings
        text = text.replace(":8000/", f":{settings.api_port}/").replace(":8080/", f":{settings.gateway_port}/")
        path = f"{sysconfig.get_path('scripts')}{os.pathsep}{os.environ['PATH']}"
        own = {"PATH": path, "HOME": str(self.directory), "COLORLANE_API_URL": self.running.api, "NO_PROXY": "*"}
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", text],
            cwd=self.directory,
            env=os.environ | GIT | own,
            capture_output=True,
            text=True,
            timeout=100,
        )
        assert done.returncode == 0, f"{text}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def waits_for_run(self, number: int) -> Row:
        """Wait until the project's run with this number has ended or its rollouts wait for a person."""
        doors = self.running.doors

        def settled() -> Row | None:
            runs = [run for run in doors.items("runs", project="shop") if run["number"] == number]
            rollouts = [
                row for row in doors.items("rollouts", project="shop") if row["id"].startswith(f"shop.{number}.")
            ]
            held = any("approval" in reason for row in rollouts for reason in row["waiting_on"])
            return runs[0] if runs and (held or runs[0]["state"] in ("succeeded", "failed")) else None

        return wait_for(f"run {number}", settled, 60)


def test_the_page_can_be_followed(running: Running, tmp_path: Path) -> None:
    quickstart.write(tmp_path)
    reader = Reader(running, tmp_path)

    reader.types("Push it", 0)
    reader.types("Push it", 1)
    assert reader.waits_for_run(1)["state"] == "succeeded"
    assert reader.types("Push it", 2).endswith("hello\n")

    reader.types("A lane of your own", 0)
    assert reader.waits_for_run(2)["state"] == "succeeded"
    lane = reader.types("A lane of your own", 1)
    assert lane.endswith("hello from blue\n")
    assert re.search(r"x-colorlane-route: web@blue=[0-9a-f]{12}\b", lane)

    reader.types("A canary", 0)
    reader.waits_for_run(3)
    seen = reader.types("A canary", 1)
    assert "shop.3.web" in seen
    assert seen.count("hello\n") > 0
    reader.types("A canary", 2)
    assert running.doors.get("rollouts/shop.3.web")["phase"] == "promoted"
    assert reader.types("Push it", 2).endswith("hello from blue\n")

    reader.types("Clean up", 0)
    wait_for("the environment to be gone", lambda: running.doors.environment("shop", "blue") is None, 30)
