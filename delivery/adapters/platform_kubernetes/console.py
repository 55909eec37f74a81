"""What people do to a running workload on a cluster: look at pods, events and drift, restart, scale, open a shell.

The same as `kubectl get pods`, `get events`, `rollout restart`, `scale` and `exec`, by workload instead of by name.
Neighbours: adapter (the port), readings, shell.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from delivery.adapters.platform_kubernetes.api import Api
from delivery.adapters.platform_kubernetes.fence import turns
from delivery.adapters.platform_kubernetes.layout import Layout
from delivery.adapters.platform_kubernetes.names import identity, key_of, namespace_of, selector, workload_name
from delivery.adapters.platform_kubernetes.readings import Readings
from delivery.adapters.platform_kubernetes.reasons import pod_trouble, restarts
from delivery.adapters.platform_kubernetes.refusals import INVALID, Refused, explained
from delivery.adapters.platform_kubernetes.shell import KubernetesShell
from delivery.adapters.platform_kubernetes.watching import is_ready
from delivery.errors import Conflict, NotFound, Rejected
from delivery.workloads import Happening, Replica, WorkloadKey
from mesh.model.pods import GROUP, SIDECAR_CONTAINER

RESTARTED: Final = f"{GROUP}/restarted-at"  # annotation of the pod template; a new value makes new pods
REPLICAS: Final = f"{GROUP}/replicas"  # annotation of a Deployment scaled by hand: what was applied
MOST_REPLICAS = 1000

Object = Mapping[str, Any]


class KubernetesConsole(ABC):
    """The part of the platform port that people use by hand."""

    layout: Layout

    @property
    @abstractmethod
    def api(self) -> Api:
        """The API server."""

    @property
    @abstractmethod
    def readings(self) -> Readings:
        """What is seen of the cluster."""

    def replicas(self, key: WorkloadKey) -> Sequence[Replica]:
        """Return the workload's pods, by name."""
        try:
            return [_replica(pod) for pod in self.readings.pods(key)]
        except Refused as refused:
            raise explained(refused, f"the pods of {workload_name(key)}") from refused

    def events(self, key: WorkloadKey, limit: int = 100) -> Sequence[Happening]:
        """Return what the cluster tells of the Deployment, its ReplicaSets and its pods, newest last."""
        try:
            found, _ = self.api.find("Event", namespace_of(key, self.layout))
        except Refused as refused:
            raise explained(refused, f"the events of {workload_name(key)}") from refused
        name = workload_name(key)
        about = [each for each in found if f"{each['involvedObject'].get('name', '')}-".startswith(f"{name}-")]
        return sorted((_happening(each) for each in about), key=lambda each: each.at)[-limit:]

    def restart(self, key: WorkloadKey, at: float) -> None:
        """Make new pods for those from before `at`, by the Deployment's own strategy."""
        for live in self._turns(key):
            metadata = live["spec"]["template"].get("metadata") or {}
            notes = metadata.get("annotations") or {}
            if float(notes.get(RESTARTED, 0)) >= at:
                return
            template = {**metadata, "annotations": {**notes, RESTARTED: f"{at:.3f}"}}
            if self._write(live, [{"op": "add", "path": "/spec/template/metadata", "value": template}]):
                return

    def scale(self, key: WorkloadKey, replicas: int | None) -> None:
        """Set the number of pods; None: as it was applied. Raises Conflict where an autoscaler decides."""
        if replicas is not None and not 0 <= replicas <= MOST_REPLICAS:
            remedy = f"give a number from 0 to {MOST_REPLICAS}"
            raise Rejected(f"{replicas} replicas are too many", field="replicas", value=replicas, remedy=remedy)
        self._refuse_autoscaled(key)
        for live in self._turns(key):
            notes = dict(live["metadata"].get("annotations") or {})
            now = int(live["spec"].get("replicas", 1))
            applied = int(notes.get(REPLICAS, now))
            wanted = applied if replicas is None else replicas
            if wanted == now:
                return
            notes[REPLICAS] = str(applied)
            operations: list[Object] = [
                {"op": "add", "path": "/spec/replicas", "value": wanted},
                {"op": "add", "path": "/metadata/annotations", "value": notes},
            ]
            if self._write(live, operations):
                return

    def shell(self, key: WorkloadKey, replica: str, command: Sequence[str]) -> KubernetesShell:
        """Start `command` at a terminal in the application's container of a pod."""
        try:
            pods = self.readings.pods(key)
        except Refused as refused:
            raise explained(refused, f"the pods of {workload_name(key)}") from refused
        chosen = [
            pod
            for pod in pods
            if pod["metadata"]["name"] == replica or (not replica and is_ready(dict(pod)) and not _ends(pod))
        ]
        if not chosen:
            names = ", ".join(pod["metadata"]["name"] for pod in pods) or "none"
            raise NotFound(f"{key.service} has no such replica that is ready (replicas: {names})", value=replica)
        metadata, containers = chosen[0]["metadata"], chosen[0]["spec"]["containers"]
        container = next(each["name"] for each in containers if each["name"] != SIDECAR_CONTAINER)
        return KubernetesShell(self.api.client, metadata["namespace"], metadata["name"], container, command)

    def _refuse_autoscaled(self, key: WorkloadKey) -> None:
        chosen = selector(identity(key))
        try:
            scalers, _ = self.api.find("HorizontalPodAutoscaler", namespace_of(key, self.layout), labelSelector=chosen)
        except Refused as refused:
            raise explained(refused, f"the autoscaler of {workload_name(key)}") from refused
        if scalers:
            name = scalers[0]["metadata"]["name"]
            raise Conflict(
                f"the HorizontalPodAutoscaler {name} decides how many replicas {key.service} has",
                field="replicas",
                remedy="change its minReplicas and maxReplicas in the repository",
            )

    def _turns(self, key: WorkloadKey) -> Iterator[Object]:
        """Yield the live Deployment until the caller has written it. Raises NotFound."""
        for _ in turns(f"Deployment {workload_name(key)}"):
            try:
                live = self.api.get("Deployment", namespace_of(key, self.layout), workload_name(key))
            except Refused as refused:
                raise explained(refused, f"workload {workload_name(key)}") from refused
            if live is None or key_of(live) != key or live["metadata"].get("deletionTimestamp"):
                raise NotFound(f"{key.service} {key.version} does not run there", field="service", value=key.service)
            yield live

    def _write(self, live: Object, operations: list[Object]) -> bool:
        """Change the Deployment if nobody else has since it was read."""
        metadata = live["metadata"]
        unchanged = {"op": "test", "path": "/metadata/resourceVersion", "value": metadata["resourceVersion"]}
        try:
            self.api.patch("Deployment", metadata["namespace"], metadata["name"], [unchanged, *operations])
        except Refused as refused:
            if refused.moved or refused.code == INVALID:  # the test of the version failed
                return False
            raise explained(refused, f"Deployment/{metadata['name']}") from refused
        return True


def scaled(deployment: Object) -> Iterator[str]:
    """Yield what the Deployment was scaled to by hand, if it was."""
    applied = (deployment["metadata"].get("annotations") or {}).get(REPLICAS, "")
    now = str(deployment["spec"].get("replicas", 1))
    if applied and applied != now:
        yield f"replicas: scaled to {now} by hand"


def _replica(pod: Object) -> Replica:
    status = pod.get("status") or {}
    ready = is_ready(dict(pod)) and not _ends(pod)
    phase = str(status.get("phase", "Pending")).lower()
    trouble = None if ready else pod_trouble(pod)
    return Replica(
        name=pod["metadata"]["name"],
        state="draining" if _ends(pod) else "ready" if ready else "starting" if phase == "running" else phase,
        ready=ready,
        restarts=restarts(pod),
        reason=trouble.text if trouble else "",
        node=str(pod["spec"].get("nodeName", "")),
        address=str(status.get("podIP", "")),
        started_at=_seconds(status.get("startTime")),
    )


def _ends(pod: Object) -> bool:
    return bool(pod["metadata"].get("deletionTimestamp"))


def _happening(event: Object) -> Happening:
    about, series = event["involvedObject"], event.get("series") or {}
    times = (
        event.get("lastTimestamp"),
        series.get("lastObservedTime"),
        event.get("eventTime"),
        event.get("firstTimestamp"),
        event["metadata"].get("creationTimestamp"),
    )
    return Happening(
        at=next((at for each in times if (at := _seconds(each)) is not None), 0.0),
        subject=f"{about.get('kind', '')}/{about.get('name', '')}",
        reason=str(event.get("reason", "")),
        text=str(event.get("message", "")),
        warning=event.get("type") == "Warning",
        count=int(series.get("count") or event.get("count") or 1),
    )


def _seconds(text: object) -> float | None:
    """Return a Kubernetes time in seconds since the epoch."""
    if not isinstance(text, str) or not text:
        return None
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()
