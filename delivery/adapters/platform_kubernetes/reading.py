"""How a workload is, from what its cluster says: pure. Neighbours: reasons (the words), readings (what was read).

Ready means more than the Deployment's own count: the controller has seen what was applied, all replicas are of it and
available (`minReadySeconds`), and none of them only looks well between two falls.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from delivery.adapters.platform_kubernetes.reasons import (
    Severity,
    Trouble,
    deployment_troubles,
    has_sidecar,
    is_late,
    pod_trouble,
    refusal_in,
    restarts,
)
from delivery.workloads import Health, WorkloadKey, WorkloadStatus

SETTLE = 10.0  # seconds that a container must have run after a restart to be counted on; a restart more, as much more
LONGEST_SETTLE = 60.0
FLAPS = 2  # losses of readiness ...
FLAPPING_FOR = 30.0  # ... within so many seconds
DEFAULT_DEADLINE = 600  # seconds; progressDeadlineSeconds of Deployments
CONTROLLER_SILENCE = 30.0  # seconds until an unseen Deployment makes us ask for its controller

Object = Mapping[str, Any]


@dataclass(frozen=True)
class Seen:
    """All that is known of a workload. `events`: by name of the object; `lost`: by uid of a pod, when it stopped
    being ready (seconds since the epoch). `sidecar`: pods shall have one. `deployment` None: it is gone.
    """

    deployment: Object | None
    replicasets: Sequence[Object] = ()
    pods: Sequence[Object] = ()
    events: Mapping[str, Sequence[Object]] = field(default_factory=dict)
    lost: Mapping[str, Sequence[float]] = field(default_factory=dict)
    sidecar: bool = False


def reading(key: WorkloadKey, seen: Seen, now: float) -> WorkloadStatus:
    """Return the status of a workload. `now`: seconds since the epoch."""
    deployment = seen.deployment
    count = sum(map(restarts, seen.pods))
    if deployment is None or deployment["metadata"].get("deletionTimestamp"):
        if deployment is None and not seen.pods:
            return WorkloadStatus(key, Health.ABSENT)
        return WorkloadStatus(key, Health.STOPPING, 0, 0, _stopping(seen.pods), count)
    wanted = int((deployment.get("spec") or {}).get("replicas", 1))
    current = [pod for pod in seen.pods if not pod["metadata"].get("deletionTimestamp")]
    unsettled = {pod["metadata"]["uid"]: why for pod in current if (why := _unsettled(pod, seen, now))}
    ready = max(_available(deployment) - len(unsettled), 0)
    problem = _incomplete(deployment, wanted, seen, now)
    if problem is None and not unsettled:
        return WorkloadStatus(key, Health.READY, ready, wanted, "", count)
    trouble = _worst(deployment, seen, current, unsettled) or problem or Trouble(Severity.WAITING, "starting")
    return WorkloadStatus(key, _health(deployment, ready, trouble), ready, wanted, trouble.text, count)


def needs_events(status: WorkloadStatus) -> bool:
    """Tell whether events could say more than the objects did: they are read only then."""
    return status.health not in (Health.READY, Health.ABSENT, Health.STOPPING)


def _available(deployment: Object) -> int:
    return int((deployment.get("status") or {}).get("availableReplicas", 0))


def _incomplete(deployment: Object, wanted: int, seen: Seen, now: float) -> Trouble | None:
    """Return why the Deployment itself is not there yet, None when it is."""
    status, metadata = deployment.get("status") or {}, deployment["metadata"]
    if (deployment.get("spec") or {}).get("paused"):
        return Trouble(Severity.WAITING, "its objects are being made")
    if int(status.get("observedGeneration", 0)) < int(metadata.get("generation", 0)):
        late = now - seconds(metadata.get("creationTimestamp")) > CONTROLLER_SILENCE
        asks = "; is kube-controller-manager running?" if late and not seen.replicasets else ""
        return Trouble(Severity.WAITING, f"the cluster has not taken it up yet{asks}")
    replicas, updated = int(status.get("replicas", 0)), int(status.get("updatedReplicas", 0))
    if updated < wanted:
        return Trouble(Severity.WAITING, f"{updated} of {wanted} pods are made")
    if replicas > updated:
        return Trouble(Severity.WAITING, f"{replicas - updated} pods of before are still there")
    if _available(deployment) < wanted:
        held = int((deployment.get("spec") or {}).get("minReadySeconds", 0))
        counts = f" (a pod counts after {held} s of readiness)" if held else ""
        return Trouble(Severity.WAITING, f"{_available(deployment)} of {wanted} pods are available{counts}")
    if seen.sidecar and not all(map(has_sidecar, seen.pods)):
        return Trouble(Severity.STUCK, "the pod has no sidecar: is the injection webhook installed?")
    return None


def _worst(deployment: Object, seen: Seen, pods: Sequence[Object], unsettled: Mapping[str, str]) -> Trouble | None:
    found = list(deployment_troubles(deployment, seen.replicasets))
    found += [Trouble(Severity.STUCK, text) for text in unsettled.values()]
    for pod in pods:
        if not _is_ready(pod):
            trouble = pod_trouble(pod, seen.events.get(pod["metadata"]["name"], ()), seen.sidecar)
            found += [trouble] if trouble else []
    for replicaset in seen.replicasets if not pods else ():
        refusal = refusal_in(seen.events.get(replicaset["metadata"]["name"], ()))
        found += [refusal] if refusal else []
    worst = max(found, key=lambda trouble: trouble.severity, default=None)
    if not is_late(deployment):
        return worst
    deadline = (deployment.get("spec") or {}).get("progressDeadlineSeconds", DEFAULT_DEADLINE)
    said = f"{worst.text}; " if worst else ""
    return Trouble(Severity.HOPELESS, f"{said}no progress within {deadline} s")


def _health(deployment: Object, ready: int, trouble: Trouble) -> Health:
    """As the local platform has it: failing is what has nobody to serve and no hope, degraded what was once well."""
    was_ready = any(
        condition.get("type") == "Progressing" and condition.get("reason") == "NewReplicaSetAvailable"
        for condition in (deployment.get("status") or {}).get("conditions") or []
    )
    if ready == 0 and trouble.severity is Severity.HOPELESS:
        return Health.FAILING
    if was_ready:
        return Health.DEGRADED
    return Health.FAILING if trouble.severity is Severity.HOPELESS else Health.STARTING


def _unsettled(pod: Object, seen: Seen, now: float) -> str:
    """Return why a pod that is ready is not counted on, "" when it is."""
    if not _is_ready(pod):
        return ""
    name = pod["metadata"]["name"]
    lost = [at for at in seen.lost.get(pod["metadata"]["uid"], ()) if now - at < FLAPPING_FOR]
    if len(lost) >= FLAPS:
        return f"pod {name} is flapping: it lost its readiness {len(lost)} times in {FLAPPING_FOR:.0f} s"
    for container in (pod.get("status") or {}).get("containerStatuses") or []:
        count = int(container.get("restartCount", 0))
        since = ((container.get("state") or {}).get("running") or {}).get("startedAt")
        if count and since and now - seconds(since) < min(SETTLE * count, LONGEST_SETTLE):
            return f"pod {name} was started again {now - seconds(since):.0f} s ago, for the {_nth(count)} time"
    return ""


def _stopping(pods: Sequence[Object]) -> str:
    names = sorted(pod["metadata"]["name"] for pod in pods)
    return f"pods end: {', '.join(names)}" if names else "its objects are being deleted"


def _is_ready(pod: Object) -> bool:
    conditions = (pod.get("status") or {}).get("conditions") or []
    return any(each.get("type") == "Ready" and each.get("status") == "True" for each in conditions)


def seconds(timestamp: object) -> float:
    """Return an RFC 3339 timestamp as seconds since the epoch; 0 for none."""
    return datetime.fromisoformat(str(timestamp)).timestamp() if timestamp else 0.0


def _nth(count: int) -> str:
    return {1: "first", 2: "second", 3: "third"}.get(count, f"{count}th")
