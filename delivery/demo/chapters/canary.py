"""Chapter 3: a good version goes 10 -> 50 -> 100 with an approval in between; promoted by digest."""

from __future__ import annotations

import time

from delivery.demo.claims import share_within
from delivery.demo.doors import Row, wait_for
from delivery.demo.load import Load
from delivery.demo.stage import APPROVER, PROJECT, Stage, verdict_sentence, version_at

SERVICE = "reviews"
STANDS = 9.0  # seconds; the sample's timed pause at 50 % lasts 10


def play(stage: Stage) -> None:
    """Push a good version to main and watch it being released."""
    stage.teller.chapter(3, "A good version: canary 10 → 50 → 100, approved in between")
    stage.workspace.switch("main")
    stage.workspace.behave(SERVICE, "v2", text="Better reviews")
    stage.teller.does("git push origin main   (users keep coming at 50 requests a second)")
    with stage.load() as load:
        revision = stage.workspace.push("Reviews v2", "main")
        release(stage, load, revision)
    failed = load.count(lambda answer: answer.failed)
    stage.claim("No user request failed", failed == 0, load.failures())


def release(stage: Stage, load: Load, revision: str) -> Row:
    """See the rollout of `revision` through its weights, approve it, and check what was promoted."""
    at_weight(stage, load, revision, 10)
    with stage.teller.doing("gate compares the canary with the stable version on live requests"):
        row = waiting_for_approval(stage, revision)
    stage.claim(
        "The gate passed and the rollout waits for a person", row["phase"] == "progressing", verdict_sentence(row)
    )
    stage.teller.does(f"POST /api/v1/rollouts/{row['id']}/approve   by {APPROVER}")
    approve(stage, row)
    at_weight(stage, load, revision, 50)
    row = stage.doors.rollout_when(PROJECT, revision, SERVICE, lambda row: False, "the rollout to end")
    stage.claim("It was promoted", row["phase"] == "promoted", row["message"])
    artifact = next((release["artifact"] for release in stage.doors.items("releases", project=PROJECT, service=SERVICE)
                     if release["version"] == row["candidate"]), "")  # fmt: skip
    stage.claim(
        "What was analysed is what was promoted, by digest",
        stage.stable_version(SERVICE) == row["candidate"] and artifact == row["artifact"] != "",
        row["artifact"][:23],
    )
    return row


def approve(stage: Stage, row: Row) -> Row:
    """Give the approval, bound to commit, digest and step."""
    return stage.doors.post(
        f"rollouts/{row['id']}/approve",
        by=APPROVER,
        comment="looks good",
        revision=row["revision"],
        artifact=row["artifact"],
        step=row["step"],
    )


def waiting_for_approval(stage: Stage, revision: str) -> Row:
    """Wait until the rollout asks for an approval."""
    return stage.doors.rollout_when(
        PROJECT,
        revision,
        SERVICE,
        lambda row: row["awaits_approval"],
        "the gate to pass",
    )


def at_weight(stage: Stage, load: Load, revision: str, percent: int, requests: int = 300) -> None:
    """Claim that the split at this weight is what was asked, counted from receipts.

    Counted are requests sent while the step certainly stands: from the moment every proxy has accepted the weight,
    for `STANDS` seconds at most, since the next step may follow a timed pause.
    """

    def accepted(row: Row) -> bool:
        return bool(row["weight"] == percent and row["step_started_at"])

    with stage.teller.doing(f"waiting for {percent} % to be accepted by every proxy"):
        row = stage.doors.rollout_when(PROJECT, revision, SERVICE, accepted, f"{percent} %", 120)
    since = row["step_started_at"] or row["phase_started_at"]

    def enough() -> bool:
        return time.time() > since + STANDS + 1 or len(load.since(since)) >= requests

    wait_for(f"requests at {percent} %", enough, STANDS + 10)
    answers = load.since(since, since + STANDS)[:requests]
    hits = sum(version_at(answer, SERVICE)[1] == row["candidate"] for answer in answers)
    stage.claim(
        f"At weight {percent} the split is seen within tolerance",
        share_within(hits, len(answers), percent),
        f"{hits} of {len(answers)} by the candidate ({100 * hits / max(len(answers), 1):.1f} %)",
    )
