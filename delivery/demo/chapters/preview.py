"""Chapter 2: a branch becomes a preview environment with a colour; nobody else meets it."""

from __future__ import annotations

import time

from delivery.demo.doors import wait_for
from delivery.demo.load import Answer
from delivery.demo.stage import PROJECT, SERVICES, Stage, version_at

BRANCH = "alice"
SERVICE = "reviews"


def play(stage: Stage) -> None:
    """Push a branch that changes one service and send coloured and uncoloured requests in turn."""
    stage.teller.chapter(2, "A developer's branch: one service, one colour")
    stage.workspace.branch(BRANCH)
    stage.workspace.behave(SERVICE, "alice's idea", text="Alice tries something")
    stage.teller.does(f"git push origin {BRANCH}   (changes {SERVICE} only)")
    begun = time.monotonic()
    revision = stage.workspace.push("Reviews: try something", BRANCH)
    host = f"{BRANCH}.{stage.host}"

    def preview() -> Answer | None:
        answer = stage.interleaved([host], 1)[0][1]
        return answer if answer.status == 200 and version_at(answer, SERVICE)[0] == BRANCH else None

    with stage.teller.doing("waiting for the preview to answer"):
        wait_for("the preview to answer", preview, 90)
    seconds = time.monotonic() - begun
    stage.ledger.figures["push to preview answering, with build (s)"] = round(seconds, 2)
    run = stage.doors.ended_run(PROJECT, revision)
    built = [job["service"] for job in stage.doors.items(f"runs/{run['id']}/jobs")]
    stage.claim("Only the changed service was built", built == [SERVICE], ", ".join(built))
    environment = stage.doors.environment(PROJECT, BRANCH) or {}
    stage.claim("A preview environment with its own colour and URL appeared", bool(environment.get("url")),
                f"{environment.get('url', '-')} after {seconds:.1f} s")  # fmt: skip
    _no_crossing(stage, host, str(environment.get("workloads", {}).get(SERVICE, "")))


def _no_crossing(stage: Stage, host: str, preview_version: str) -> None:
    answers = stage.interleaved([host, stage.host], 200)
    stable = {service: ("", stage.stable_version(service)) for service in SERVICES}
    expected = {stage.host: stable, host: stable | {SERVICE: (BRANCH, preview_version)}}
    right = sum(
        answer.status == 200 and all(version_at(answer, service) == expected[asked][service] for service in SERVICES)
        for asked, answer in answers
    )
    stage.claim(
        "Of 200 interleaved requests each was answered by the right version at every hop",
        right == len(answers) == 200,
        f"{right} of {len(answers)} receipts right; {SERVICE} {BRANCH}={preview_version}, base={stable[SERVICE][1]}",
    )
