"""The Platform port on one machine: writes desired documents, reads status documents. Runs in any process.

The agent makes them so. Contract: `delivery.ports.platform`. Neighbours: documents, folders, podspec (refuses bad
manifests at once, before anything is written).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from delivery.adapters.platform_local.console import LocalConsole
from delivery.adapters.platform_local.documents import (
    Desired,
    note_removed,
    read_desired,
    read_status,
    removed_generation,
    write_desired,
)
from delivery.adapters.platform_local.folders import Folders, workload_id
from delivery.adapters.platform_local.podspec import compile_spec
from delivery.errors import Conflict, Rejected, Transient
from delivery.processes.logfiles import tail_lines
from delivery.workloads import Health, WorkloadKey, WorkloadSpec, WorkloadStatus

# An agent that was killed is back within 2 s and its workloads ran on: readings stay true for that long.
AGENT_SILENCE = 10.0
WAITING = "waiting for the platform agent to take it up"


class LocalPlatform(LocalConsole):
    """See `delivery.ports.platform.Platform`. `state_dir` is shared with the agent."""

    def __init__(self, state_dir: Path, *, now: Callable[[], float] = time.time) -> None:
        self._folders = Folders(state_dir)
        self._now = now

    def apply(self, spec: WorkloadSpec) -> None:
        """Write the desired document. Raises Rejected (manifests, artifact) and Conflict (an older generation)."""
        workload = workload_id(spec.key)
        compile_spec(spec)
        if not self._folders.artifact(spec.artifact).is_dir():
            raise Rejected(
                f"artifact {spec.artifact} is not in the state directory",
                field="artifact",
                value=spec.artifact,
                remedy="build it again (retry the run)",
            )
        with self._folders.lock():
            current = read_desired(self._folders.desired(workload))
            newest = self._newest(workload, current)
            # A removal at this very generation came after it: a retried apply must not undo that.
            if spec.generation < newest or (spec.generation == newest and (current is None or current.removed)):
                raise _older(spec.key, spec.generation, newest)
            if spec.generation > newest:
                write_desired(self._folders.desired(workload), Desired(spec))

    def remove(self, key: WorkloadKey, generation: int) -> None:
        """Turn the desired document into a tombstone. Raises Conflict for an older generation."""
        workload = workload_id(key)
        with self._folders.lock():
            current = read_desired(self._folders.desired(workload))
            newest = self._newest(workload, current)
            if generation < newest:
                raise _older(key, generation, newest)
            if current is None:
                note_removed(self._folders, workload, generation)
                return
            spec = replace(current.spec, generation=generation)
            write_desired(self._folders.desired(workload), Desired(spec, removed=True))

    def status(self, key: WorkloadKey) -> WorkloadStatus:
        """Return the newest reading. Raises Transient when it would be stale because the agent is away."""
        workload = workload_id(key)
        desired = read_desired(self._folders.desired(workload))
        document = read_status(self._folders.status(workload))
        if desired is None and document is None:
            return WorkloadStatus(key, Health.ABSENT)
        self._check_agent()
        if desired is not None and (document is None or document.generation < desired.spec.generation):
            return _untouched(desired, document.status if document else None)
        if document is not None:
            return document.status
        return WorkloadStatus(key, Health.ABSENT)

    def list(self, project: str) -> Sequence[WorkloadStatus]:
        """Return all workloads of a project, in the order of their keys."""
        names = {
            path.stem for folder in (self._folders.desired_dir, self._folders.status_dir) for path in _json(folder)
        }
        keys = sorted(key for key in map(_key, names) if key.project == project)
        found = [self.status(key) for key in keys]
        return [status for status in found if status.health is not Health.ABSENT]

    def logs(self, key: WorkloadKey, tail: int = 200) -> Iterable[str]:
        """Yield the last lines of each replica's output, `[<replica>] <line>`."""
        replicas = sorted(self._folders.run(workload_id(key)).glob("*/app.log"), key=lambda path: path.parent.name)
        for path in replicas:
            for line in tail_lines(path, tail):
                yield f"[{path.parent.name}] {line}"

    def _newest(self, workload: str, current: Desired | None) -> int:
        return current.spec.generation if current else removed_generation(self._folders, workload)

    def _check_agent(self) -> None:
        try:
            silence = self._now() - self._folders.agent.stat().st_mtime
        except FileNotFoundError:
            silence = None
        if silence is None or silence > AGENT_SILENCE:
            heard = "is not running" if silence is None else f"has given no sign of life for {silence:.0f} s"
            raise Transient(f"the platform agent {heard}; start it with `colorlane up` or `python -m delivery agent`")


def _untouched(desired: Desired, before: WorkloadStatus | None) -> WorkloadStatus:
    """Return the status of a document the agent has not taken up yet."""
    key = desired.spec.key
    if desired.removed:
        return replace(before or WorkloadStatus(key, Health.STOPPING), health=Health.STOPPING, reason=WAITING)
    wanted = compile_spec(desired.spec).replicas
    ready, restarts = (before.ready, before.restarts) if before else (0, 0)
    return WorkloadStatus(key, Health.STARTING, ready, wanted, WAITING, restarts)


def _older(key: WorkloadKey, generation: int, newest: int) -> Conflict:
    return Conflict(
        f"generation {generation} of {workload_id(key)} is not newer than {newest}, the newest seen",
        field="generation",
        value=generation,
        remedy="nothing to do: a newer run has taken over",
    )


def _json(folder: Path) -> Iterable[Path]:
    return (path for path in folder.glob("*.json") if not path.name.startswith("."))


def _key(workload: str) -> WorkloadKey:
    project, service, color, version = workload.split(".")
    return WorkloadKey(project, service, "" if color == "-" else color, version)
