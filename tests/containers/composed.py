"""The service of `docker-compose.yml` as a test uses it: up, its doors on this host, its processes, down.

`compose.override.yml` swaps images and host ports, nothing else. Neighbours: engine, test_compose.
"""

from __future__ import annotations

import json
import os
import secrets
from pathlib import Path
from typing import Any

from tests.containers.engine import docker

ROOT = Path(__file__).parents[2]
STORES = ("redis", "postgres", "prometheus")
UP_WITHIN = 180  # seconds


class Composed:
    """One run of the file under a project name of its own; `token` opens the API."""

    def __init__(self, name: str) -> None:
        self.token = secrets.token_hex(32)
        self._environment = {
            "COLORLANE_API_TOKEN": self.token,
            "POSTGRES_PASSWORD": secrets.token_hex(32),
            "REDIS_PASSWORD": secrets.token_hex(32),
            "COMPOSE_PROJECT_NAME": name,
            "DOCKER_BUILDKIT": "0",  # buildx need not be there
        }
        files = (ROOT / "docker-compose.yml", Path(__file__).with_name("compose.override.yml"))
        self._files = [f"--file={file}" for file in files]

    def build(self) -> None:
        """Build our image by our Dockerfile, and stand-ins for the stores' by theirs."""
        here = Path(__file__).parent
        for store in STORES:
            what = (f"--file={here / 'stores.Dockerfile'}", f"--target={store}", f"--tag=colorlane-test-{store}")
            docker("build", "--quiet", *what, str(here), environment=self._environment)
        what = ("--build-arg=BASE=colorlane-base:bookworm", "--tag=colorlane:test", str(ROOT))
        docker("build", "--quiet", *what, environment=self._environment)

    def up(self) -> None:
        """Start everything; returns when all that can say so is healthy."""
        self.compose("up", "--detach", "--no-build", "--wait", "--wait-timeout", str(UP_WITHIN))

    def down(self) -> None:
        """Remove containers, networks and volumes."""
        self.compose("down", "--volumes", "--timeout", "20", "--remove-orphans")

    def compose(self, *words: str) -> str:
        """Run `docker compose` on the project."""
        return docker("compose", *self._files, *words, environment=self._environment).stdout

    def door(self, port: int) -> str:
        """Return the base URL at which this host reaches a published port."""
        return f"http://{self.compose('port', 'node', str(port)).strip()}"

    def states(self) -> dict[str, dict[str, Any]]:
        """Return what the engine says of each service's container."""
        rows = [json.loads(line) for line in self.compose("ps", "--all", "--format", "json").splitlines()]
        return {row["Service"]: row for row in rows}

    def inspected(self, service: str) -> dict[str, Any]:
        """Return the container as the engine sees it."""
        identity = self.compose("ps", "--all", "--quiet", service).strip()
        found: dict[str, Any] = json.loads(docker("inspect", identity).stdout)[0]
        return found

    # What the demo's story asks of a stack.

    def pid_of(self, name: str) -> int | None:
        """Return the pid, on this host, of a service's first process; None while there is none."""
        return int(self.inspected(name)["State"]["Pid"]) or None

    def kill(self, name: str, number: int) -> None:
        """Send a signal to it past the engine, which would take its own `kill` for the wish that it stays down."""
        pid = self.pid_of(name)
        assert pid, f"{name} does not run"
        os.kill(pid, number)
