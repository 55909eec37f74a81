"""How the program ends: exit codes and one sentence instead of a traceback, whatever Typer stands on."""

from __future__ import annotations

import pytest

from delivery.cli.app import main
from delivery.cli.client import Failure


@pytest.mark.parametrize("line", ["rollout levitate", "up --no-such-option", "rollout approve"])
def test_wrong_usage_ends_with_2_and_says_what_is_wrong(line: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(line.split()) == 2
    assert "rror" in capsys.readouterr().err


def test_an_api_that_is_away_ends_with_3_and_the_remedy(capsys: pytest.CaptureFixture[str]) -> None:
    nobody = "http://127.0.0.1:1"  # a reserved port: nothing listens there
    assert main(["--api", nobody, "run", "list"]) == 3
    assert "colorlane up" in capsys.readouterr().err


def test_interruption_ends_as_shells_expect(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("delivery.cli.client.Api.items", interrupted)
    assert main(["run", "list"]) == 130


def test_failures_keep_their_code(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def refused(*_: object, **__: object) -> None:
        raise Failure("no such project", "colorlane project list", 4)

    monkeypatch.setattr("delivery.cli.client.Api.items", refused)
    assert main(["run", "list"]) == 4
    assert "colorlane project list" in capsys.readouterr().err
