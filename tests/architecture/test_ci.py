"""The CI script runs the README's command and nothing else; both are what a newcomer types."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from tests.architecture.sources import ROOT

SCRIPT = ROOT / ".ci" / "run"


def show(directory: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["bash", str(directory / ".ci/run"), "--show"], capture_output=True, text=True)


def copy_of_the_script(tmp_path: Path, readme: str) -> Path:
    (tmp_path / ".ci").mkdir()
    (tmp_path / ".ci/run").write_text(SCRIPT.read_text())
    (tmp_path / "README.md").write_text(readme)
    return tmp_path


def test_the_script_can_be_run() -> None:
    assert os.access(SCRIPT, os.X_OK)


def test_the_readme_has_the_command() -> None:
    shown = show(ROOT)
    assert shown.returncode == 0, shown.stderr
    assert ".venv/bin/pytest" in shown.stdout
    assert shown.stdout.strip() in (ROOT / "README.md").read_text()


def test_the_command_comes_from_the_marked_block_only(tmp_path: Path) -> None:
    readme = "```\nfirst\n```\n<!-- ci:test -->\n\n```sh\nsecond && third\n```\n```\nfourth\n```\n"
    assert show(copy_of_the_script(tmp_path, readme)).stdout == "second && third\n"


def test_a_readme_without_the_marker_is_refused_with_the_remedy(tmp_path: Path) -> None:
    shown = show(copy_of_the_script(tmp_path, "# nothing\n"))
    assert shown.returncode == 2
    assert "<!-- ci:test -->" in shown.stderr
