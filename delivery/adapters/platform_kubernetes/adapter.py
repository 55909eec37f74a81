"""The Platform port on a Kubernetes cluster. Contract: `delivery.ports.platform`.

Neighbours: applying, removing, readings. Nothing is kept in the process but what its watches saw: truth is in the
cluster, and any process may do any call.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Iterable, Iterator, Sequence

from kubernetes.client import ApiClient

from delivery.adapters.platform_kubernetes.api import Api
from delivery.adapters.platform_kubernetes.applying import apply_workload
from delivery.adapters.platform_kubernetes.console import KubernetesConsole, scaled
from delivery.adapters.platform_kubernetes.drift import drifted, missing
from delivery.adapters.platform_kubernetes.fence import Ledger
from delivery.adapters.platform_kubernetes.layout import Layout
from delivery.adapters.platform_kubernetes.logs import pod_logs
from delivery.adapters.platform_kubernetes.names import identity, namespace_of, selector, workload_name
from delivery.adapters.platform_kubernetes.objects import LISTED, plan_workload
from delivery.adapters.platform_kubernetes.readings import Readings
from delivery.adapters.platform_kubernetes.refusals import Refused, explained
from delivery.adapters.platform_kubernetes.removing import remove_workload
from delivery.workloads import Health, WorkloadKey, WorkloadSpec, WorkloadStatus


class KubernetesPlatform(KubernetesConsole):
    """See `delivery.ports.platform.Platform`. `connect` is called with the first use: a process may never need it.

    `sidecars`: pods that ask for injection and have none are not ready. `again`: seconds in which an equal apply is
    known to be done; who waits for pods asks several times a second, and each apply costs a dozen requests.
    """

    def __init__(
        self,
        connect: Callable[[], ApiClient],
        layout: Layout | None = None,
        *,
        sidecars: bool = False,
        again: float = 0.0,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._connect, self.layout, self._sidecars, self._now = connect, layout or Layout(), sidecars, now
        self._again = again
        self._applied: dict[WorkloadKey, tuple[WorkloadSpec, float]] = {}

    @functools.cached_property
    def api(self) -> Api:
        """The API server. Raises Rejected when there is no way to one."""
        return Api(self._connect())

    @functools.cached_property
    def readings(self) -> Readings:
        """What is seen of the cluster."""
        return Readings(self.api, self.layout, self._sidecars, self._now)

    @functools.cached_property
    def _ledger(self) -> Ledger:
        return Ledger(self.api, self.layout, self._now)

    def apply(self, spec: WorkloadSpec) -> None:
        """Bring the workload's objects to the cluster. Raises Rejected (manifests, rights, quota) and Conflict."""
        done, at = self._applied.get(spec.key, (None, 0.0))
        if done == spec and self._now() - at < self._again:
            return
        plan = plan_workload(spec, self.layout)
        try:
            applied = apply_workload(self.api, plan, self.layout, self._ledger)
        except Refused as refused:
            raise explained(refused, f"workload {plan.name} in {plan.namespace}") from refused
        self.readings.wrote(spec.key, applied)
        now = self._now()
        recent = {key: entry for key, entry in self._applied.copy().items() if now - entry[1] < self._again}
        self._applied = {**recent, spec.key: (spec, now)}  # manifests of everything ever applied would fill the memory

    def remove(self, key: WorkloadKey, generation: int) -> None:
        """Begin the workload's end; the cluster drains its pods. Raises Conflict for an older generation."""
        self._applied.pop(key, None)
        try:
            remove_workload(self.api, key, generation, self.layout, self._ledger)
        except Refused as refused:
            raise explained(refused, f"workload {workload_name(key)}") from refused
        self.readings.wrote(key, None)

    def status(self, key: WorkloadKey) -> WorkloadStatus:
        """Return the newest reading. Raises Transient when the cluster is away."""
        try:
            return self.readings.status(key)
        except Refused as refused:
            raise explained(refused, f"workload {workload_name(key)}") from refused

    def list(self, project: str) -> Sequence[WorkloadStatus]:
        """Return all workloads of a project, in the order of their keys."""
        try:
            keys = self.readings.keys(project)
        except Refused as refused:
            raise explained(refused, f"the workloads of {project}") from refused
        found = [self.status(key) for key in keys]
        return [status for status in found if status.health is not Health.ABSENT]

    def logs(self, key: WorkloadKey, tail: int = 200) -> Iterable[str]:
        """Yield the last lines of each pod's output, `[<pod>] <line>`, and those of before a crash."""
        try:
            yield from pod_logs(self.api, self.readings.pods(key), tail)
        except Refused as refused:
            raise explained(refused, f"the output of {workload_name(key)}") from refused

    def drift(self, key: WorkloadKey) -> tuple[str, ...]:
        """Return what differs in the cluster from what was applied, one line each; asks the server."""
        try:
            return tuple(self._drift(key))
        except Refused as refused:
            raise explained(refused, f"workload {workload_name(key)}") from refused

    def close(self) -> None:
        """End the watches."""
        self.readings.stop()

    def _drift(self, key: WorkloadKey) -> Iterator[str]:
        namespace = namespace_of(key, self.layout)
        deployment = self.api.get("Deployment", namespace, workload_name(key))
        if deployment is None:
            return
        yield from scaled(deployment)
        yield from drifted(deployment)
        owned = []
        for kind in LISTED:
            found, _ = self.api.find(kind, namespace, labelSelector=selector(identity(key)))
            owned += [{**item, "kind": kind} for item in found]
        for item in owned:
            yield from drifted(item)
        yield from missing(deployment, owned)
