"""The durable record of one replica: enough to adopt it, or to end it, without any other file.

Neighbours: replica (writes it at every step), agent (reads all at its start). Written with the identities of the
processes right after they start; the mark in their environment covers the moment between.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from delivery.adapters.platform_local.folders import Folders, workload_id
from delivery.adapters.platform_local.plan import PodPlan, ReplicaPorts
from delivery.processes.identity import Identity
from delivery.processes.records import write_atomic
from delivery.workloads import WorkloadKey

MARK = "COLORLANE_WORKLOAD"  # environment variable of every process the agent starts


@dataclass(frozen=True)
class ReplicaRecord:
    """One replica.

    `fingerprint` names what it runs; `state` is what the mesh is told; `registered`: the mesh took it as ready.
    """

    key: WorkloadKey
    ordinal: int
    fingerprint: str
    artifact: str
    plan: PodPlan
    ports: ReplicaPorts
    state: str = "starting"
    registered: bool = False
    app: Identity | None = None
    sidecar: Identity | None = None

    @property
    def endpoint(self) -> str:
        """Return the endpoint id, which is also the node id of the sidecar."""
        key = self.key
        return f"{key.project}/{key.service}/{key.color or '-'}/{key.version}/{self.ordinal}"

    @property
    def pod(self) -> str:
        """Return the pod's name: a DNS label, unique among the pods of the project."""
        lane = f"-{self.key.color}" if self.key.color else ""
        return f"{self.key.service}{lane}-{self.key.version}-{self.ordinal}"

    @property
    def workload(self) -> str:
        """Return the workload's id."""
        return workload_id(self.key)

    def folder(self, folders: Folders) -> Path:
        """Return the replica's folder."""
        return folders.run(self.workload) / str(self.ordinal)

    def mark(self, folders: Folders, role: str) -> str:
        """Return the value of MARK for one of its processes."""
        return f"{mark_prefix(folders)}{self.workload}/{self.ordinal}/{role}"


RECORD = TypeAdapter(ReplicaRecord)


def mark_prefix(folders: Folders) -> str:
    """Return what all marks of this state directory begin with."""
    return f"{folders.state_dir}:"


def save(folders: Folders, record: ReplicaRecord) -> None:
    """Write the record."""
    write_atomic(record.folder(folders) / "record.json", RECORD.dump_json(record).decode())


def load_all(folders: Folders) -> Iterator[ReplicaRecord]:
    """Yield all records that can be read; processes of the others are found by their mark."""
    for path in sorted(folders.platform.glob("run/*/*/record.json")):
        try:
            yield RECORD.validate_json(path.read_bytes())
        except (ValidationError, FileNotFoundError):
            continue
