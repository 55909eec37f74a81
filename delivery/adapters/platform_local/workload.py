"""One workload: what is desired of it and the replicas it has. Neighbours: decisions (pure), replica, agent."""

from __future__ import annotations

import contextlib
import hashlib
import json
import time
from collections.abc import Callable
from dataclasses import asdict, replace

from delivery.adapters.platform_local.decisions import ReplicaView, decide, workload_status
from delivery.adapters.platform_local.documents import Desired, ReplicaStatus, StatusDocument
from delivery.adapters.platform_local.plan import PodPlan, ReplicaPorts
from delivery.adapters.platform_local.podspec import compile_spec
from delivery.adapters.platform_local.reasons import replica_reason
from delivery.adapters.platform_local.records import ReplicaRecord
from delivery.adapters.platform_local.replica import Replica, Surroundings
from delivery.errors import Rejected
from delivery.processes.ports import NoFreePort
from delivery.workloads import Health, WorkloadKey, WorkloadStatus


class Workload:
    """Brings the replicas of one workload to what is desired. `desired` None: nothing is, the replicas are orphans."""

    def __init__(self, key: WorkloadKey, around: Surroundings, on_change: Callable[[], None]) -> None:
        self.key = key
        self.desired: Desired | None = None
        self.replicas: dict[int, Replica] = {}
        self._around, self._on_change = around, on_change
        self._plan: PodPlan | None = None
        self._fingerprint = ""
        self._problem = ""

    @property
    def removed(self) -> bool:
        """Tell whether nothing of it is wanted."""
        return self.desired is None or self.desired.removed

    def want(self, desired: Desired | None) -> None:
        """Set what is desired."""
        if desired == self.desired:
            return
        self.desired = desired
        if desired is None:
            return
        try:
            self._plan, self._problem = compile_spec(desired.spec), ""
            self._fingerprint = fingerprint(self._plan, desired.spec.artifact, desired.restarted)
        except Rejected as error:  # the adapter refuses these; an agent of another version may see it differently
            self._problem = f"{error.message}; {error.remedy}"

    def adopt(self, record: ReplicaRecord) -> None:
        """Take over a replica of an earlier agent."""
        replica = Replica(record, self._around, self._on_change)
        self.replicas[record.ordinal] = replica
        replica.start()
        if record.state == "draining":
            replica.drain()

    def reconcile(self) -> None:
        """Forget replicas that are gone, start and drain others as decided."""
        self.forget_gone()
        for replica in self.replicas.values():
            replica.note_registration()
        if self._problem:
            return
        change = decide(self._wanted(), self._views())
        for ordinal in change.drain:
            self.replicas[ordinal].drain()
        for ordinal in change.start:
            self._start(ordinal)

    def forget_gone(self) -> None:
        """Drop replicas of which nothing is left."""
        self.replicas = {n: replica for n, replica in self.replicas.items() if not replica.gone}

    def document(self) -> StatusDocument:
        """Return how it is."""
        status = workload_status(self.key, self._wanted(), self.removed, self._views())
        if self._problem and not self.removed:
            status = WorkloadStatus(self.key, Health.FAILING, status.ready, status.wanted, self._problem)
        generation = self.desired.spec.generation if self.desired else 0
        ignored = self._plan.ignored if self._plan else ()
        replicas = tuple(_replica_status(self.replicas[n]) for n in sorted(self.replicas))
        return StatusDocument(status, generation, replicas, ignored)

    def _wanted(self) -> int:
        return 0 if self.removed or self._plan is None else self._plan.replicas

    def _views(self) -> list[ReplicaView]:
        return [self._view(replica) for replica in self.replicas.values()]

    def _view(self, replica: Replica) -> ReplicaView:
        return ReplicaView(
            ordinal=replica.record.ordinal,
            # For decisions a replica is ready when users may be sent to it, not before.
            state="starting" if replica.state == "ready" and not replica.usable else replica.state,
            # A replica whose port was taken can never start again as it is; another takes its place.
            current=replica.record.fingerprint == self._fingerprint and not replica.port_taken,
            ever_ready=replica.ever_ready,
            waiting=time.monotonic() - replica.waiting_since,
            failures=replica.app.recent_failures,
            restarts=replica.app.restarts,
            reason=replica_reason(replica),
        )

    def _start(self, ordinal: int) -> None:
        if self.desired is None or self._plan is None:
            return
        try:
            ports = self._take_ports(self._plan)
        except NoFreePort as error:
            self._problem = str(error)
            return
        spec = self.desired.spec
        # The number of replicas is the workload's affair, not one of what a replica is.
        plan = replace(self._plan, replicas=1)
        record = ReplicaRecord(self.key, ordinal, self._fingerprint, spec.artifact, plan, ports)
        replica = Replica(record, self._around, self._on_change)
        self.replicas[ordinal] = replica
        replica.start()

    def _take_ports(self, plan: PodPlan) -> ReplicaPorts:
        taken: list[int] = []

        def take() -> int:
            taken.append(self._around.pool.take())
            return taken[-1]

        with contextlib.ExitStack() as undo:
            undo.callback(lambda: self._around.pool.give_back(taken))
            ports = ReplicaPorts(
                targets={port.number: take() for port in plan.container_ports},
                inbound={port.port: take() for port in plan.service_ports},
                outbound=take(),
                admin=take(),
                captured=take() if self._around.capturing.enabled else 0,
                dns=take() if self._around.capturing.enabled else 0,
            )
            undo.pop_all()
        return ports


def fingerprint(plan: PodPlan, artifact: str, restarted: float = 0.0) -> str:
    """Return what names the content of a replica: equal ones need no replacement. A restart makes them unequal."""
    content = [asdict(replace(plan, replicas=1, ignored=())), artifact, *([restarted] if restarted else [])]
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]


def _replica_status(replica: Replica) -> ReplicaStatus:
    record = replica.record
    return ReplicaStatus(
        endpoint=record.endpoint,
        state=replica.state,
        app_pid=replica.app.process.pid if replica.app.process else None,
        sidecar_pid=replica.sidecar.process.pid if replica.sidecar.process else None,
        ports=asdict(record.ports),
        restarts=replica.app.restarts,
        reason=replica_reason(replica),
    )
