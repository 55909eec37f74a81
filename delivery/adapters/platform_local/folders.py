"""Where the local platform keeps its files, and the lock that orders writers. Neighbours: adapter, agent, documents.

platform/desired/<id>.json    what shall run; one file a workload
platform/status/<id>.json     how it is, written by the agent
platform/removed.json         newest generation of workloads removed lately, so that a late apply stays out
platform/agent.json           rewritten every second by the agent: its sign of life
platform/events/<id>.jsonl    what happened to it, for people
platform/run/<id>/<n>/        one replica: record, bootstrap, logs
"""

from __future__ import annotations

import contextlib
import fcntl
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from delivery.errors import Rejected
from delivery.workloads import WorkloadKey

LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")


@dataclass(frozen=True)
class Folders:
    """Paths under the state directory."""

    state_dir: Path

    @property
    def platform(self) -> Path:
        """Root of everything the platform keeps."""
        return self.state_dir / "platform"

    @property
    def desired_dir(self) -> Path:
        """Folder of desired documents."""
        return self.platform / "desired"

    @property
    def status_dir(self) -> Path:
        """Folder of status documents."""
        return self.platform / "status"

    @property
    def removed(self) -> Path:
        """The ledger of removed workloads."""
        return self.platform / "removed.json"

    @property
    def agent(self) -> Path:
        """The agent's sign of life."""
        return self.platform / "agent.json"

    @property
    def capture(self) -> Path:
        """There while rules of the kernel may lead connections of this state's applications to sidecars."""
        return self.platform / "capture"

    def desired(self, workload: str) -> Path:
        """Return the desired document of a workload id."""
        return self.desired_dir / f"{workload}.json"

    def status(self, workload: str) -> Path:
        """Return the status document of a workload id."""
        return self.status_dir / f"{workload}.json"

    def run(self, workload: str) -> Path:
        """Return the folder that holds the replicas of a workload id."""
        return self.platform / "run" / workload

    def events(self, workload: str) -> Path:
        """Return what happened to a workload id, lines of JSON."""
        return self.platform / "events" / f"{workload}.jsonl"

    def artifact(self, digest: str) -> Path:
        """Return the tree of an artifact `sha256:<hex>`."""
        algorithm, _, value = digest.partition(":")
        return self.state_dir / "artifacts" / algorithm / value

    @contextlib.contextmanager
    def lock(self) -> Iterator[None]:
        """Hold the lock under which desired documents and the ledger change; it ends with its holder."""
        self.platform.mkdir(parents=True, exist_ok=True)
        with open(self.platform / "lock", "w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield


def workload_id(key: WorkloadKey) -> str:
    """Return the name a workload has in file names: DNS labels joined by dots, "-" for the baseline.

    Raises Rejected for parts that are no labels, which also keeps paths inside the state directory.
    """
    parts = {"project": key.project, "service": key.service, "color": key.color or "-", "version": key.version}
    for name, value in parts.items():
        if not LABEL.fullmatch(value) and (name, value) != ("color", "-"):
            raise Rejected(
                f"{name} {value!r} is not a DNS label",
                field=name,
                value=value,
                remedy="use at most 63 lower-case letters, digits and dashes, with a letter or digit at both ends",
            )
    return ".".join(parts.values())
