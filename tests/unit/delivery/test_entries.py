"""Single processes as commands: which words name one, how a refusal is told, and what is not loaded for them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from delivery import entries
from delivery.embedded.description import Layout, describe
from delivery.entries import ENTRIES, run_entry
from delivery.errors import Rejected


def test_other_words_are_the_command_lines() -> None:
    assert run_entry([]) is None
    assert run_entry(["project", "list"]) is None
    assert run_entry(["agent", "--help"]) is None


def test_the_stack_starts_nothing_that_is_no_entry() -> None:
    layout = Layout(Path("/state"), "127.0.0.1", 8000, 8080, 1, 15012, 2, "/bin/redis-server")
    started = [each.argv[4:] for each in describe(layout) if each.argv[3:4] == ("delivery",)]
    assert len(started) == 4
    assert set(started) <= ENTRIES.keys()


def test_a_refusal_is_two_lines_and_wrong_usage(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse() -> int:
        raise Rejected("the door is open", remedy="set a token")

    monkeypatch.setattr(entries, "ENTRIES", {("api",): refuse})
    assert run_entry(["api"]) == 2
    assert capsys.readouterr().err == "✘ the door is open\n  → set a token\n"


@pytest.mark.parametrize(
    ("module", "unwanted"),
    [
        ("delivery.celeryapp", ["typer", "prompt_toolkit", "fastapi", "gitlab", "alembic", "kubernetes"]),
        ("delivery.asgi", ["typer", "prompt_toolkit", "gitlab", "alembic", "kubernetes"]),
        ("delivery.adapters.platform_local.agent", ["typer", "sqlalchemy", "celery", "fastapi", "gitlab"]),
    ],
)
def test_processes_load_only_what_they_run(module: str, unwanted: list[str]) -> None:
    code = f"import sys, {module}; print([name for name in {unwanted} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
