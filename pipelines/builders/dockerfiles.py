"""Dockerfiles: what all builders of them share, the end of the building process. Neighbours: engine, buildkit."""

from __future__ import annotations

from pathlib import Path

from pipelines.ports import DockerfileRequest, Ending, Log, Outcome, RedBuild, Stopped
from pipelines.specs import SPEC_FILE


def finished(request: DockerfileRequest, outcome: Outcome, log: Log, target: Path) -> Path:
    """Return the image's file when all went well. Raises Stopped, or RedBuild with the last words."""
    what = f"the Dockerfile of {request.service}"
    if outcome.ending is Ending.CANCELED:
        raise Stopped
    if outcome.ending is Ending.TIMED_OUT:
        field = f"services.{request.service}.image.timeout"
        remedy = f"make it faster, or raise {field} in {SPEC_FILE}"
        raise RedBuild(f"{what} was stopped at its time limit of {request.image.timeout:g} s; {remedy}")
    if outcome.status or not target.is_file():
        last = log.last_line()
        raise RedBuild(f"{what} did not build{f'; last words: {last}' if last else ''}")
    return target
