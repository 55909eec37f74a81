"""What is seen of workloads: from this process's watches while they are current, else asked of the API server.

What this process has written is never read older than that: until the watch has caught up, the server is asked.
Neighbours: watching, reading (makes sense of it), adapter.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from delivery.adapters.platform_kubernetes.api import Api
from delivery.adapters.platform_kubernetes.layout import Layout
from delivery.adapters.platform_kubernetes.names import (
    base_namespace,
    identity,
    key_of,
    namespace_of,
    selector,
    workload_name,
)
from delivery.adapters.platform_kubernetes.objects import Object
from delivery.adapters.platform_kubernetes.reading import Seen, needs_events, reading
from delivery.adapters.platform_kubernetes.refusals import Refused
from delivery.adapters.platform_kubernetes.watching import Watched, is_ready
from delivery.errors import Transient
from delivery.workloads import WorkloadKey, WorkloadStatus
from mesh.model.pods import INJECT, PROJECT

EVENTS_KEPT = 2.0  # seconds that events are not asked for again
PODS_ASKED = 3  # pods whose events are read: the first words are enough
EVERYWHERE = ""  # namespace: all of them
GONE = ""  # uid: the workload is expected to go


class Watches:
    """Deployments, ReplicaSets and pods of one namespace, or of all for ""."""

    def __init__(self, api: Api, namespace: str) -> None:
        self.deployments = Watched(api, "Deployment", namespace)
        self.replicasets = Watched(api, "ReplicaSet", namespace)
        self.pods = Watched(api, "Pod", namespace)
        self._all = (self.deployments, self.replicasets, self.pods)
        for each in self._all:
            each.start()

    @property
    def current(self) -> bool:
        """Whether all that is known is current."""
        return all(each.current for each in self._all)

    @property
    def denied(self) -> bool:
        """Whether we may not watch here."""
        return any(each.denied for each in self._all)

    def stop(self) -> None:
        """End the watches."""
        for each in self._all:
            each.stop()


class Readings:
    """Reads workloads. Watches start with the first reading."""

    def __init__(self, api: Api, layout: Layout, sidecars: bool, now: Callable[[], float] = time.time) -> None:
        self._api, self._layout, self._sidecars, self._now = api, layout, sidecars, now
        self._lock = threading.Lock()
        self._watches: dict[str, Watches] = {}
        self._written: dict[WorkloadKey, tuple[str, int]] = {}
        self._events: dict[tuple[str, str], tuple[float, list[Object]]] = {}

    def wrote(self, key: WorkloadKey, deployment: Object | None) -> None:
        """Note what was applied, None for a removal: readings are never older."""
        metadata = (deployment or {}).get("metadata", {})
        self._written[key] = (str(metadata.get("uid", GONE)), int(metadata.get("generation", 0)))

    def status(self, key: WorkloadKey) -> WorkloadStatus:
        """Return the newest reading. Raises Transient when the cluster cannot be asked."""
        seen = self._seen(key)
        status = reading(key, seen, self._now())
        if not needs_events(status):
            return status
        events = self._events_of(key, seen)
        lost, sidecar = seen.lost, seen.sidecar
        return reading(key, Seen(seen.deployment, seen.replicasets, seen.pods, events, lost, sidecar), self._now())

    def keys(self, project: str) -> list[WorkloadKey]:
        """Return the workloads of a project that have a Deployment or pods."""
        base = base_namespace(project, self._layout)
        watches = self._for(base)
        if watches.current:
            found = [*watches.deployments.of_project(project), *watches.pods.of_project(project)]
            recent = {key for key, (uid, _) in self._written.copy().items() if key.project == project and uid != GONE}
        else:
            recent = set()
            namespace = base if self._watches[EVERYWHERE].denied else EVERYWHERE
            query = f"{PROJECT}={project}"
            found = [
                each
                for kind in ("Deployment", "Pod")
                for each in self._api.find(kind, namespace, labelSelector=query)[0]
            ]
        return sorted(recent | {key for each in found if (key := self._key_here(each)) is not None})

    def _key_here(self, item: Object) -> WorkloadKey | None:
        """Return the workload of an object, None where it is in no place of ours: of another Colorlane's, maybe."""
        key = key_of(item)
        return key if key is not None and namespace_of(key, self._layout) == item["metadata"]["namespace"] else None

    def pods(self, key: WorkloadKey) -> Sequence[Mapping[str, Any]]:
        """Return the pods of a workload, in the order of their names."""
        return sorted(self._seen(key).pods, key=lambda pod: str(pod["metadata"]["name"]))

    def stop(self) -> None:
        """End all watches."""
        for watches in self._watches.values():
            watches.stop()

    @property
    def current(self) -> bool:
        """Whether some watch is open and current (for tests and health pages)."""
        return any(watches.current for watches in self._watches.values())

    def _seen(self, key: WorkloadKey) -> Seen:
        namespace = namespace_of(key, self._layout)
        watches = self._for(namespace)
        if watches.current:
            pods = watches.pods.of(key, namespace)
            deployment = next(iter(watches.deployments.of(key, namespace)), None)
            if self._is_new_enough(key, deployment):
                lost = {pod["metadata"]["uid"]: watches.pods.lost(pod["metadata"]["uid"]) for pod in pods}
                return Seen(
                    deployment,
                    watches.replicasets.of(key, namespace),
                    pods,
                    {},
                    lost,
                    self._expects_sidecar(deployment),
                )
        return self._asked(key)

    def _is_new_enough(self, key: WorkloadKey, deployment: Object | None) -> bool:
        written = self._written.get(key)
        if written is None:
            return True
        uid, generation = written
        if deployment is None:
            return uid == GONE
        metadata = deployment["metadata"]
        if uid == GONE:
            return bool(metadata.get("deletionTimestamp"))
        return str(metadata["uid"]) == uid and int(metadata["generation"]) >= generation

    def _asked(self, key: WorkloadKey) -> Seen:
        """Ask the server. What it says is newer than anything we wrote, so that need not be remembered any more."""
        namespace, chosen = namespace_of(key, self._layout), selector(identity(key))
        deployment = self._api.get("Deployment", namespace, workload_name(key))
        if deployment is not None and key_of(deployment) != key:
            deployment = None
        if deployment is None and self._written.get(key, (GONE, 0))[0] != GONE:
            self._written.pop(key, None)  # somebody else removed it
        pods, _ = self._api.find("Pod", namespace, labelSelector=chosen)
        sets = self._api.find("ReplicaSet", namespace, labelSelector=chosen)[0] if deployment else []
        return Seen(deployment, sets, pods, sidecar=self._expects_sidecar(deployment))

    def _expects_sidecar(self, deployment: Object | None) -> bool:
        labels = (deployment or {}).get("spec", {}).get("template", {}).get("metadata", {}).get("labels") or {}
        return self._sidecars and labels.get(INJECT) == "true"

    def _events_of(self, key: WorkloadKey, seen: Seen) -> Mapping[str, Sequence[Object]]:
        unready = [pod for pod in seen.pods if not is_ready(dict(pod))][:PODS_ASKED]
        asked = unready or seen.replicasets
        namespace = namespace_of(key, self._layout)
        return {each["metadata"]["name"]: self._events_about(namespace, each["metadata"]["name"]) for each in asked}

    def _events_about(self, namespace: str, name: str) -> list[Object]:
        at, kept = self._events.get((namespace, name), (0.0, []))
        if self._now() - at < EVENTS_KEPT:
            return kept
        try:
            found, _ = self._api.find("Event", namespace, fieldSelector=f"involvedObject.name={name}")
        except (Refused, Transient):
            found = []  # words only: the status stands without them
        fresh = {each: entry for each, entry in self._events.items() if self._now() - entry[0] < EVENTS_KEPT}
        self._events = {**fresh, (namespace, name): (self._now(), found)}
        return found

    def _for(self, namespace: str) -> Watches:
        """Return the watches over the whole cluster, or over the namespace where we may not have those."""
        with self._lock:
            for place in (EVERYWHERE, namespace):
                if place not in self._watches:
                    self._watches[place] = Watches(self._api, place)
                if not self._watches[place].denied:
                    break
            return self._watches[place]
