"""Every command, as people and programs use it."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from delivery.rollouts.model import Phase
from pipelines.runs import RunState
from tests.unit.delivery.api.conftest import House
from tests.unit.delivery.cli.conftest import Answer

Cli = Callable[..., Answer]


def test_projects(colorlane: Cli) -> None:
    added = colorlane("project", "add", "shop")
    assert added.code == 0
    assert "git push http://localhost:8000/git/shop.git main" in added.out
    assert "shop.localhost" in colorlane("project", "list").out
    assert json.loads(colorlane("project", "show", "shop", "--json").out)["forge"] == "embedded"
    assert colorlane("project", "remove", "shop", "--yes").code == 0


def test_secrets_come_from_files_and_are_not_printed(colorlane: Cli, house: House, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("hush-hush\n")
    added = colorlane(
        "project", "add", "shop", "--forge", "gitlab", "--clone-url", "https://gitlab.example/a/b.git",
        "--forge-url", "https://gitlab.example", "--forge-project", "a/b", "--webhook-secret-file", str(secret),
    )  # fmt: skip
    assert added.code == 0, added.err
    assert "/webhooks/gitlab?project=shop" in added.out
    assert "hush" not in added.out
    assert house.store.projects.get("shop").webhook_secret == "hush-hush"


def test_secrets_are_replaced_one_by_one(colorlane: Cli, house: House, tmp_path: Path) -> None:
    house.gitlab()
    token = tmp_path / "token"
    token.write_text("glpat-newer\n")
    changed = colorlane("project", "secrets", "bookshop", "--token-file", str(token))
    assert changed.code == 0, changed.err
    row = house.store.projects.get("bookshop")
    assert (row.token, row.webhook_secret) == ("glpat-newer", "s3cret")
    assert "glpat" not in changed.out + str(house.store.events(project="bookshop"))
    assert "nothing is to be changed" in colorlane("project", "secrets", "bookshop").err
    assert "x" in colorlane("project", "secrets", "x", "--token-file", str(token)).err


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        ("project list", "colorlane project add"),
        ("env list", "push a branch"),
        ("run list", "push something"),
        ("rollout list", "push a change"),
    ],
)
def test_empty_lists_say_what_to_do_next(colorlane: Cli, words: str, hint: str) -> None:
    assert hint in colorlane(*words.split()).out
    assert json.loads(colorlane(*words.split(), "--json").out) == []


def test_environments(colorlane: Cli, house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    house.environment()
    house.environment("production")
    assert "bookshop/alice" in colorlane("env", "list").out
    assert json.loads(colorlane("env", "show", "alice", "--json").out)["color"] == "alice"
    assert "baseline" in colorlane("env", "show", "bookshop/production").out
    assert "bookshop/alice ends" in colorlane("env", "extend", "alice", "--for", "2w").out
    assert house.store.environments.get("bookshop/alice").expires_at == house.clock.now() + 14 * 86_400
    opened: list[str] = []
    monkeypatch.setattr("webbrowser.open", opened.append)
    assert colorlane("env", "open", "alice").code == 0
    assert len(opened) == 1
    assert "being deleted" in colorlane("env", "delete", "alice", "--yes").out
    refused = colorlane("env", "delete", "production", "--yes")
    assert refused.code == 4
    assert "remove the project instead" in refused.err


def test_runs(colorlane: Cli, house: House) -> None:
    run = house.run(state=RunState.FAILED, message="reviews: build exited with 3")
    house.job(run, "reviews", "compiling\nno such symbol\n")
    assert "build exited with 3" in colorlane("run", "list").out
    assert "changed" in colorlane("run", "show", run.id).out
    assert colorlane("run", "logs", run.id).out == "reviews | compiling\nreviews | no such symbol\n"
    assert colorlane("run", "logs", run.id, "-s", "reviews", "--from", "-7").out == "symbol\n"
    followed = colorlane("run", "logs", run.id, "-f")
    assert (followed.code, "no such symbol" in followed.out) == (1, True)
    assert colorlane("run", "cancel", run.id).code == 4


def test_rollouts(colorlane: Cli, house: House) -> None:
    row = house.rollout()
    house.store.rollouts.save(replace(row, verdict={"outcome": "passed", "sentence": "0.1 % against 0.1 %"}))
    listed = colorlane("rollout", "list", "--active").out
    assert "reviews" in listed
    assert "10 %" in listed
    shown = colorlane("rollout", "show", "r1").out
    assert "approval" in shown
    assert "0.1 % against 0.1 %" in shown
    assert colorlane("rollout", "approve", "r1", "-m", "fine", "--by", "ada").code == 0
    approval = house.store.rollouts.get("r1").approvals[0]
    assert (approval.approver, approval.comment, approval.revision) == ("ada", "fine", row.revision)
    again = colorlane("rollout", "approve", "r1")
    assert again.code == 4


@pytest.mark.parametrize("verb", ["promote", "abort", "pause"])
def test_orders(colorlane: Cli, house: House, verb: str) -> None:
    house.rollout()
    assert colorlane("rollout", verb, "r1", "-m", "because", "--by", "ada").code == 0
    command = house.store.rollouts.get("r1").commands[0]
    assert (command.verb, command.by, command.reason) == (verb, "ada", "because")


@pytest.mark.parametrize(("phase", "code"), [(Phase.PROMOTED, 0), (Phase.ROLLED_BACK, 1)])
def test_watch_ends_as_the_rollout_does(colorlane: Cli, house: House, phase: Phase, code: int) -> None:
    house.rollout(phase=phase, message="the end")
    watched = colorlane("rollout", "watch", "r1")
    assert (watched.code, "the end" in watched.out) == (code, True)


def test_what_is_not_there(colorlane: Cli) -> None:
    for words in ("project show x", "env show x", "run show x", "run logs x", "rollout show x", "rollout watch x"):
        answer = colorlane(*words.split())
        assert answer.code == 4, words
        assert "✘" in answer.err
        assert answer.out == ""


def test_a_mesh_that_is_away(colorlane: Cli) -> None:
    assert colorlane("mesh", "routes").code == 5


def test_lint(colorlane: Cli, tmp_path: Path) -> None:
    file = tmp_path / "colorlane.yaml"
    file.write_text("entry: web\nservices:\n  web: {pathh: x}\n")
    bad = colorlane("lint", str(file))
    assert bad.code == 1
    assert "colorlane.yaml:3" in bad.out
    assert json.loads(colorlane("lint", str(file), "--json").out)[0]["line"] == 3
    assert colorlane("lint", str(tmp_path / "none.yaml")).code == 2
    good = Path(__file__).parents[4] / "samples" / "bookshop" / "colorlane.yaml"
    assert colorlane("lint", str(good)).code == 0


def test_simulate(colorlane: Cli) -> None:
    scenario = Path(__file__).parents[3] / "scenarios" / "good_release.txt"
    played = colorlane("simulate", str(scenario))
    assert played.code == 0
    assert "promoted" in played.out


def test_version(colorlane: Cli) -> None:
    assert colorlane("version").out.startswith("colorlane ")
