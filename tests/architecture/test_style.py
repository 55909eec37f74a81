"""Formatter, linter and type checker as tests, so that one command covers everything a review would ask first."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.architecture.sources import ROOT

CHECKED = ("delivery", "mesh", "pipelines", "tests", "benchmarks", "samples")


def complaints(*command: str) -> str:
    """Run a Python tool in the repository; return what it printed if it failed, else ""."""
    done = subprocess.run([sys.executable, "-m", *command], cwd=ROOT, capture_output=True, text=True)
    return "" if done.returncode == 0 else f"{done.stdout}{done.stderr}" or f"exit status {done.returncode}"


def existing() -> tuple[str, ...]:
    return tuple(name for name in CHECKED if (ROOT / name).is_dir())


def test_ruff_finds_nothing() -> None:
    found = complaints("ruff", "check", "--output-format=concise", *existing())
    assert not found, found


def test_code_is_formatted() -> None:
    found = complaints("ruff", "format", "--check", *existing())
    assert not found, f"{found}\nrun: ruff format"


@pytest.mark.timeout(300)
def test_types_are_sound() -> None:
    found = complaints("mypy", "--no-error-summary")
    assert not found, found
