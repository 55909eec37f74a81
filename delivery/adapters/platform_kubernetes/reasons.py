"""What a cluster says about a pod or a Deployment, in words for people. Pure; neighbour: reading.

A `Trouble` is worse the higher it stands in `Severity`: what never gets better by waiting comes first, because the one
that is worst is the one that is shown.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from mesh.model.pods import SIDECAR_CONTAINER

TEXT = 300  # characters of a message of the cluster's that are shown
FAILED_PULLS = frozenset(
    {"ImagePullBackOff", "ErrImagePull", "InvalidImageName", "ErrImageNeverPull", "RegistryUnavailable"}
)
FAILED_MAKING = frozenset(
    {"CreateContainerConfigError", "CreateContainerError", "RunContainerError", "PreCreateHookError"}
)
MEMORY = "OOMKilled"
CRASH_LOOP = 2  # ends of a container that make a loop of it, as on the local platform


Object = Mapping[str, Any]


class Severity(IntEnum):
    """How bad a trouble is. From HOPELESS on a workload that was never ready is failing."""

    WAITING = 1
    STUCK = 2
    HOPELESS = 3


@dataclass(frozen=True)
class Trouble:
    """Why something is not ready."""

    severity: Severity
    text: str


def deployment_troubles(deployment: Object, replicasets: Sequence[Object]) -> Iterator[Trouble]:
    """Yield what keeps pods from being made: quota, admission."""
    for holder in (deployment, *replicasets):
        for condition in _conditions(holder):
            if condition.get("type") == "ReplicaFailure" and condition.get("status") == "True":
                yield Trouble(Severity.HOPELESS, _cut(f"pods are refused: {condition.get('message', '')}"))


def is_late(deployment: Object) -> bool:
    """Tell whether the Deployment's own `progressDeadlineSeconds` have passed without progress."""
    return any(each.get("type") == "Progressing" and each.get("status") == "False" for each in _conditions(deployment))


def refusal_in(events: Iterable[Object]) -> Trouble | None:
    """Return why pods could not be made, from the events of a ReplicaSet."""
    failed = [event for event in events if event.get("reason") == "FailedCreate"]
    return Trouble(Severity.HOPELESS, _cut(f"pods are refused: {failed[-1].get('message', '')}")) if failed else None


def pod_trouble(pod: Object, events: Sequence[Object] = (), sidecar: bool = False) -> Trouble | None:
    """Return what is worst about a pod that is not ready, None when nothing is known. `sidecar`: one is expected."""
    status = pod.get("status") or {}
    found = [
        trouble
        for container in (*(status.get("initContainerStatuses") or []), *(status.get("containerStatuses") or []))
        if (trouble := _container_trouble(container)) is not None
    ]
    if found:
        return max(found, key=lambda trouble: trouble.severity)
    if trouble := _unscheduled(pod):
        return trouble
    if sidecar and not has_sidecar(pod):
        return Trouble(Severity.STUCK, "the pod has no sidecar: is the injection webhook installed?")
    return _from_events(events) or _unready(pod)


def has_sidecar(pod: Object) -> bool:
    """Tell whether the webhook has been at the pod."""
    spec = pod.get("spec") or {}
    both = [*(spec.get("initContainers") or []), *(spec.get("containers") or [])]
    return any(container.get("name") == SIDECAR_CONTAINER for container in both)


def restarts(pod: Object) -> int:
    """Return how often the pod's containers were started again."""
    status = pod.get("status") or {}
    return sum(int(each.get("restartCount", 0)) for each in status.get("containerStatuses") or [])


def _container_trouble(container: Object) -> Trouble | None:
    name, count = container.get("name", ""), int(container.get("restartCount", 0))
    waiting = (container.get("state") or {}).get("waiting") or {}
    reason, message = str(waiting.get("reason", "")), str(waiting.get("message", ""))
    if reason in FAILED_PULLS:
        severity = Severity.STUCK if reason == "ErrImagePull" else Severity.HOPELESS
        return Trouble(severity, _cut(f"{reason}: {message or container.get('image', '')}"))
    if reason in FAILED_MAKING:
        return Trouble(Severity.HOPELESS, _cut(f"{reason}: container {name}: {message}"))
    end = _last_end(container)
    if end and not container.get("ready"):
        hopeless = count >= CRASH_LOOP or reason == "CrashLoopBackOff"
        said = f"{reason}: " if reason == "CrashLoopBackOff" else ""
        text = f"{said}container {name} {_ended(end)} ({_times(count)})"
        return Trouble(Severity.HOPELESS if hopeless else Severity.STUCK, _cut(text))
    if reason and reason not in ("ContainerCreating", "PodInitializing"):
        return Trouble(Severity.WAITING, _cut(f"{reason}: {message}" if message else reason))
    return None


def _last_end(container: Object) -> Object:
    """Return how the container ended last: now, or before it was started again."""
    now = (container.get("state") or {}).get("terminated")
    return now or (container.get("lastState") or {}).get("terminated") or {}


def _ended(end: Object) -> str:
    code = end.get("exitCode")
    if end.get("reason") == MEMORY:
        how = f"was ended for using more memory than its limit ({MEMORY})"
    elif end.get("signal"):
        how = f"was ended by signal {end['signal']}"
    else:
        how = f"ended with exit code {code}"
    lines = str(end.get("message") or "").strip().splitlines()
    return f"{how}; last words: {lines[-1]}" if lines else how


def _unscheduled(pod: Object) -> Trouble | None:
    for condition in _conditions(pod):
        if condition.get("type") == "PodScheduled" and condition.get("status") == "False":
            # A cluster that grows by itself has a node in minutes: the deadline decides, not we.
            return Trouble(Severity.STUCK, _cut(f"{condition.get('reason')}: {condition.get('message', '')}"))
    return None


def _from_events(events: Sequence[Object]) -> Trouble | None:
    """Return the newest warning: a probe that fails, a volume that does not come."""
    warnings = [event for event in events if event.get("type") == "Warning"]
    if not warnings:
        return None
    last = max(warnings, key=lambda event: str(event.get("lastTimestamp") or event.get("eventTime") or ""))
    count = int((last.get("series") or {}).get("count") or last.get("count") or 1)
    return Trouble(Severity.STUCK, _cut(f"{last.get('message', '')} ({count} times)"))


def _unready(pod: Object) -> Trouble | None:
    phase = str((pod.get("status") or {}).get("phase", ""))
    if phase == "Pending":
        return Trouble(Severity.WAITING, "its containers are being made")
    if phase == "Running":
        return Trouble(Severity.WAITING, "running, but not ready yet")
    return Trouble(Severity.STUCK, f"the pod is {phase}: {pod['status'].get('message', '')}") if phase else None


def _conditions(item: Object) -> Sequence[Object]:
    return (item.get("status") or {}).get("conditions") or []


def _times(count: int) -> str:
    return "1 restart" if count == 1 else f"{count} restarts"


def _cut(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= TEXT else f"{text[: TEXT - 1]}…"
