"""ARCHITECTURE.md names what is there: every folder, every state, and no file that is not there."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path, PurePosixPath

import pytest

from delivery.deliveries import DeliveryState
from delivery.environments import EnvironmentState
from delivery.rollouts.model import Phase
from pipelines.runs import JobState, RunState
from tests.architecture.sources import ROOT, modules

TEXT = (ROOT / "ARCHITECTURE.md").read_text()


def expanded(path: str) -> Iterator[str]:
    """Yield the paths a `{a,b}` pattern stands for."""
    parts = [piece.split(",") for piece in re.split(r"[{}]", path)]
    yield from ("".join(choice) for choice in itertools.product(*parts))


def named() -> set[str]:
    """Return every path that the page names between backticks, braces expanded; bare names follow the path before."""
    found: set[str] = set()
    for line in TEXT.splitlines():
        folder = ""
        for code in re.findall(r"`([\w./{},<>-]+)`", line.split("|")[1] if line.startswith("|") else line):
            path = code if "/" in code or not folder or not code.endswith(".py") else f"{folder}/{code}"
            folder = str(PurePosixPath(path).parent) if "/" in path else folder
            if "<" not in path:
                found |= set(expanded(path)) if "{" in path else {path}
    return found


def test_every_folder_of_the_sources_is_named() -> None:
    folders = {"/".join(Path(module.path).parts[:2]) for module in modules() if len(Path(module.path).parts) > 2}
    assert folders <= named(), f"not on the page: {sorted(folders - named())}"


def test_paths_that_are_named_exist() -> None:
    paths = {
        path for path in named() if path.startswith(("delivery/", "mesh/", "pipelines/", "kustomize/", "samples/"))
    }
    assert paths
    missing = [path for path in sorted(paths) if not (ROOT / path).exists()]
    assert not missing, f"named, but not there: {missing}"


@pytest.mark.parametrize("states", [DeliveryState, EnvironmentState, RunState, JobState, Phase])
def test_every_state_is_named(states: type[StrEnum]) -> None:
    table = TEXT.split("## States")[1].split("##")[0]
    assert all(f"`{state}`" in table for state in states)
