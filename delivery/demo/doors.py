"""Doors: the demo's view of the public HTTP API; waits for what a person would wait for. Neighbours: story."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, TypeVar

import httpx

from delivery.errors import Transient

T = TypeVar("T")
Row = dict[str, Any]

RUN_ENDED = {"succeeded", "failed", "canceled", "superseded"}
ROLLOUT_ENDED = {"promoted", "rolled_back", "superseded"}


def wait_for(what: str, look: Callable[[], T | None], seconds: float, every: float = 0.05) -> T:
    """Return the first true thing `look` gives; raises Transient naming `what` after `seconds`.

    Transport errors while looking count as "not yet": the story kills the API on purpose.
    """
    deadline = time.monotonic() + seconds
    last = ""
    while time.monotonic() < deadline:
        try:
            found = look()
        except httpx.TransportError as error:
            found, last = None, f" (last: {type(error).__name__})"
        if found:
            return found
        time.sleep(every)
    raise Transient(f"waited {seconds:.0f} s for {what}{last}")


class Doors:
    """The API as the story uses it; `base` is e.g. http://127.0.0.1:8000."""

    def __init__(self, base: str, token: str = "") -> None:
        headers = {"authorization": f"Bearer {token}"} if token else {}
        self.http = httpx.Client(base_url=base, headers=headers, timeout=10.0, trust_env=False)

    def get(self, path: str, **query: Any) -> Any:
        """GET under /api/v1; None for a 404 or while the API restarts (5xx)."""
        response = self.http.get(f"/api/v1/{path}", params=query)
        if response.status_code == 404 or response.status_code >= 500:
            return None
        response.raise_for_status()
        return response.json()

    def items(self, path: str, **query: Any) -> list[Row]:
        """Return the rows of a list."""
        page = self.get(path, **query)
        return list(page["items"]) if page else []

    def post(self, path: str, **body: Any) -> Row:
        """POST under /api/v1; raises httpx.HTTPStatusError."""
        response = self.http.post(f"/api/v1/{path}", json=body)
        response.raise_for_status()
        answer: Row = response.json()
        return answer

    def run_of(self, project: str, revision: str) -> Row | None:
        """Return the newest run of the commit."""
        runs = [run for run in self.items("runs", project=project, limit=50) if run["revision"] == revision]
        return max(runs, key=lambda run: run["number"]) if runs else None

    def ended_run(self, project: str, revision: str, seconds: float = 180) -> Row:
        """Wait until the commit's run has ended."""

        def look() -> Row | None:
            run = self.run_of(project, revision)
            return run if run and run["state"] in RUN_ENDED else None

        return wait_for(f"the run of {revision[:8]} to end", look, seconds)

    def rollout_of(self, project: str, revision: str, service: str) -> Row | None:
        """Return the rollout of the commit's release of a service in production."""
        for row in self.items("rollouts", project=project, limit=50):
            if row["revision"] == revision and row["service"] == service and row["color"] == "":
                return row
        return None

    def rollout_when(
        self, project: str, revision: str, service: str, ready: Callable[[Row], Any], what: str, seconds: float = 180
    ) -> Row:
        """Wait until the rollout is as `ready` says, or has ended."""

        def look() -> Row | None:
            row = self.rollout_of(project, revision, service)
            return row if row and (ready(row) or row["phase"] in ROLLOUT_ENDED) else None

        return wait_for(what, look, seconds)

    def environment(self, project: str, color: str) -> Row | None:
        """Return the environment with the colour."""
        for row in self.items("environments", project=project):
            if row["color"] == color:
                return row
        return None

    def statuses(self, project: str, revision: str) -> list[Row]:
        """Return the commit's statuses."""
        return self.items(f"projects/{project}/commits/{revision}/statuses")
