"""Chapter 1: the first push builds everything and the page answers through the gateway."""

from __future__ import annotations

from delivery.demo.doors import wait_for
from delivery.demo.load import Answer
from delivery.demo.stage import PROJECT, SERVICES, Stage, version_at


def play(stage: Stage) -> None:
    """Push the sample to the embedded Git host and open the page."""
    stage.teller.chapter(1, "First push: build all, deploy all")
    stage.teller.does(f"git push origin main   ({len(SERVICES)} services: Python and Node, none knows of the mesh)")
    revision = stage.workspace.push("Bookshop, first version", "main")
    with stage.teller.doing("pipeline builds, kustomize renders, processes start"):
        run = stage.doors.ended_run(PROJECT, revision)
    built = sorted(job["service"] for job in stage.doors.items(f"runs/{run['id']}/jobs"))
    stage.claim("The pipeline built every service", built == sorted(SERVICES), ", ".join(built))
    stage.claim("The run succeeded and the commit says so", _says(stage, revision, "success"), run.get("message", ""))

    def page() -> Answer | None:
        answer = stage.interleaved([stage.host], 1)[0][1]
        return answer if answer.status == 200 else None

    answer = wait_for("the page to answer through the gateway", page, 30)
    stage.claim("The page answers through the gateway", answer.status == 200, f"{stage.gateway} Host: {stage.host}")
    versions = {service: version_at(answer, service) for service in SERVICES}
    stage.claim(
        "Its route receipt names the version of every service",
        all(version == ("", stage.stable_version(service)) for service, version in versions.items()),
        ", ".join(f"{service}={version}" for service, (_, version) in versions.items()),
    )


def _says(stage: Stage, revision: str, state: str) -> bool:
    return any(status["state"] == state for status in stage.doors.statuses(PROJECT, revision))
