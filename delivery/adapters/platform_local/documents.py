"""What stands in the platform's files, to and from JSON. Neighbours: folders (where), adapter and agent (who)."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from delivery.adapters.platform_local.folders import Folders
from delivery.processes.records import write_atomic
from delivery.workloads import Health, WorkloadKey, WorkloadSpec, WorkloadStatus

REMEMBER_REMOVED = 86_400.0  # seconds; a message that is a day late does not exist


@dataclass(frozen=True)
class Desired:
    """What shall run. `removed` is a tombstone: it stays until nothing of the workload is left.

    `restarted`: replicas from before that moment (seconds since the epoch) are to be replaced; 0: none.
    """

    spec: WorkloadSpec
    removed: bool = False
    restarted: float = 0.0


@dataclass(frozen=True)
class ReplicaStatus:
    """One replica for people and tests: where it runs and how it is."""

    endpoint: str
    state: str
    app_pid: int | None
    sidecar_pid: int | None
    ports: Mapping[str, Any]
    restarts: int = 0
    reason: str = ""


@dataclass(frozen=True)
class StatusDocument:
    """How a workload is, as of the desired `generation` the agent has seen."""

    status: WorkloadStatus
    generation: int
    replicas: tuple[ReplicaStatus, ...] = ()
    ignored: tuple[str, ...] = ()


def write_desired(path: Path, desired: Desired) -> None:
    """Write a desired document."""
    write_atomic(path, json.dumps(asdict(desired)))


def read_desired(path: Path) -> Desired | None:
    """Return the desired document, None when there is none (a damaged one cannot come from `write_atomic`)."""
    body = _read(path)
    if body is None:
        return None
    spec = dict(body["spec"])
    key = WorkloadKey(**spec.pop("key"))
    return Desired(WorkloadSpec(key=key, **spec), bool(body["removed"]), float(body.get("restarted", 0.0)))


def write_status(path: Path, document: StatusDocument) -> None:
    """Write a status document."""
    write_atomic(path, json.dumps(asdict(document)))


def read_status(path: Path) -> StatusDocument | None:
    """Return the status document, None when there is none."""
    body = _read(path)
    if body is None:
        return None
    status = dict(body["status"])
    key, health = WorkloadKey(**status.pop("key")), Health(status.pop("health"))
    replicas = tuple(ReplicaStatus(**replica) for replica in body["replicas"])
    return StatusDocument(WorkloadStatus(key, health, **status), body["generation"], replicas, tuple(body["ignored"]))


def removed_generation(folders: Folders, workload: str) -> int:
    """Return the generation at which a workload was removed lately, 0 if it was not."""
    entry = (_read(folders.removed) or {}).get(workload)
    return int(entry["generation"]) if entry else 0


def note_removed(folders: Folders, workload: str, generation: int) -> None:
    """Enter a removal into the ledger and drop old entries. Call under the lock."""
    now = time.time()
    ledger = {name: e for name, e in (_read(folders.removed) or {}).items() if e["at"] > now - REMEMBER_REMOVED}
    ledger[workload] = {"generation": generation, "at": now}
    write_atomic(folders.removed, json.dumps(ledger))


def _read(path: Path) -> dict[str, Any] | None:
    try:
        body = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    return body if isinstance(body, dict) else None
