"""Chapter 4: bad versions are rolled back within seconds, with the evidence."""

from __future__ import annotations

from typing import Any

from delivery.demo.doors import Row, wait_for
from delivery.demo.stage import PROJECT, Stage, verdict_sentence, version_at

SERVICE = "reviews"


def play(stage: Stage) -> None:
    """Push a version that fails 5 % of requests, then one that is slow."""
    stage.teller.chapter(4, "Bad versions: the gate rolls them back")
    _bad(stage, "v3-errors", "fails 5 % of its requests", error_rate=0.05)
    _bad(stage, "v4-slow", "is 300 ms slower", delay_ms=300)
    stage.workspace.behave(SERVICE, "v2", text="Better reviews")
    stage.workspace.git("commit", "-q", "-am", "Reviews: back to v2")


def _bad(stage: Stage, version: str, how: str, **behaviour: Any) -> None:
    stage.workspace.switch("main")
    stage.workspace.behave(SERVICE, version, **behaviour)
    stage.teller.does(f"git push origin main   ({SERVICE} {version}: {how})")
    stable = stage.stable_version(SERVICE)
    with stage.load() as load:
        revision = stage.workspace.push(f"Reviews {version}", "main")
        with stage.teller.doing("canary gets 10 %"):
            row = stage.doors.rollout_when(
                PROJECT, revision, SERVICE, lambda row: row["weight"] > 0 and row["step_started_at"], "the canary", 120
            )
        weighted_at = row["step_started_at"] or row["created_at"]
        with stage.teller.doing("the gate looks at every request"):
            row = stage.doors.rollout_when(PROJECT, revision, SERVICE, lambda row: False, "the rollback", 150)
    hit = load.count(lambda answer: version_at(answer, SERVICE)[1] == row["candidate"])
    failed = load.count(lambda answer: answer.failed)
    seconds = (row["ended_at"] or 0) - weighted_at
    stage.claim(f"The version that {how} was rolled back", row["phase"] == "rolled_back", verdict_sentence(row))
    stage.claim("within seconds", 0 < seconds < 60, f"{seconds:.1f} s after it got its first weight")
    stage.claim("and the old version serves everyone again", stage.stable_version(SERVICE) == stable, stable)
    stage.claim("The commit's status says failed", _failed(stage, revision), "")
    stage.teller.does(f"price paid: {failed} of {len(load.answers)} user requests failed; {hit} met the bad version")
    stage.ledger.figures[f"{version}: seconds to rollback, failed requests"] = [round(seconds, 1), failed]


def _failed(stage: Stage, revision: str) -> bool:
    def look() -> list[Row]:
        return [status for status in stage.doors.statuses(PROJECT, revision) if status["state"] == "failed"]

    return bool(wait_for("the commit's status", look, 20))
