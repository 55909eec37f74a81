"""An environment bound to one branch: its own colour, and its strategy within its lane."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import httpx
import pytest

from delivery.demo.doors import Row, wait_for
from delivery.demo.load import parse_receipt
from tests.e2e.conftest import SPEC, Running

pytestmark = [pytest.mark.e2e, pytest.mark.xdist_group("e2e")]

STAGING = SPEC.replace("  preview:", "  staging: {branch: develop, strategy: quick}\n  preview:")


def answers(running: Running, host: str, count: int = 1) -> Counter[tuple[str, str]]:
    """Return how often which text came from which version."""
    with httpx.Client(base_url=running.gateway, headers={"host": host}, trust_env=False, timeout=10) as client:
        found = [client.get("/") for _ in range(count)]
    return Counter((each.text, parse_receipt(each.headers["x-colorlane-route"])["echo"]) for each in found)


def test_staging_has_its_colour_and_its_canary(running: Running, tmp_path: Path) -> None:
    repository = running.repository(tmp_path, "staged")
    assert repository.ended(repository.push("main", **{"colorlane.yaml": STAGING}))["state"] == "succeeded"
    run = repository.ended(repository.push("develop", **{"echo/text.txt": "two\n"}))
    assert run["state"] == "succeeded", run["message"]
    [(text, version)] = answers(running, "staging.staged.localhost")
    assert (text, version.partition("=")[0]) == ("two\n", "staging")

    third = repository.push("develop", **{"echo/text.txt": "three\n"})

    def asking() -> Row | None:
        rows = running.doors.items("rollouts", project="staged")
        return next((row for row in rows if row["revision"] == third and row["awaits_approval"]), None)

    row = wait_for("the canary in staging to ask", asking, 60)
    assert (row["color"], row["weight"]) == ("staging", 50)
    split = answers(running, "staging.staged.localhost", 60)
    assert {text for text, _ in split} == {"two\n", "three\n"}
    assert {version.partition("=")[0] for _, version in split} == {"staging"}
    assert {text for text, _ in answers(running, "staged.localhost", 20)} == {"one\n"}

    running.doors.post(
        f"rollouts/{row['id']}/approve", by="bob", revision=third, artifact=row["artifact"], step=row["step"]
    )
    assert repository.ended(third)["state"] == "succeeded"
    assert {text for text, _ in answers(running, "staging.staged.localhost", 20)} == {"three\n"}

    repository.git("push", "-q", "origin", ":refs/heads/develop")
    wait_for("staging to be gone", lambda: running.doors.environment("staged", "staging") is None, 30)
    assert {text for text, _ in answers(running, "staging.staged.localhost")} == {"one\n"}
