"""How a workload is, from what a cluster says."""

from __future__ import annotations

from typing import Any

import pytest

from delivery.adapters.platform_kubernetes.reading import Seen, reading, seconds
from delivery.workloads import Health, WorkloadKey, WorkloadStatus

KEY = WorkloadKey("shop", "reviews", "", "v1")
START = "2026-11-22T12:00:00Z"
NOW = seconds(START) + 300
WELL = {"type": "Progressing", "status": "True", "reason": "NewReplicaSetAvailable"}


def deployment(*, replicas: int = 1, available: int = 1, seen: bool = True, **more: Any) -> dict[str, Any]:
    status = {"observedGeneration": 2 if seen else 1, "replicas": replicas, "updatedReplicas": replicas}
    status |= {"availableReplicas": available, "conditions": more.pop("conditions", [])} | more.pop("status", {})
    metadata = {"name": "reviews-v1", "generation": 2, "creationTimestamp": START} | more.pop("metadata", {})
    return {"metadata": metadata, "spec": {"replicas": replicas, **more}, "status": status}


def pod(
    name: str = "p", *, ready: bool = True, container: dict[str, Any] | None = None, **status: Any
) -> dict[str, Any]:
    conditions = [{"type": "Ready", "status": str(ready)}]
    containers = [{"name": "app", "ready": ready, "restartCount": 0, "state": {"running": {"startedAt": START}}}]
    containers[0] |= container or {}
    whole = {"phase": "Running", "conditions": conditions, "containerStatuses": containers, **status}
    return {"metadata": {"name": name, "uid": name}, "spec": {"containers": [{"name": "app"}]}, "status": whole}


def read(seen: Seen, now: float = NOW) -> WorkloadStatus:
    return reading(KEY, seen, now)


def test_ready() -> None:
    assert read(Seen(deployment(), pods=[pod()])) == WorkloadStatus(KEY, Health.READY, 1, 1)


def test_nothing_wanted_is_ready() -> None:
    assert read(Seen(deployment(replicas=0, available=0))).health is Health.READY


def test_absent_and_stopping() -> None:
    assert read(Seen(None)).health is Health.ABSENT
    assert read(Seen(None, pods=[pod("a")])) == WorkloadStatus(KEY, Health.STOPPING, 0, 0, "pods end: a")
    ending = deployment(metadata={"deletionTimestamp": START})
    assert read(Seen(ending)).reason == "its objects are being deleted"


@pytest.mark.parametrize(
    ("item", "words"),
    [
        (deployment(seen=False), "has not taken it up yet; is kube-controller-manager running?"),
        (deployment(paused=True), "its objects are being made"),
        (deployment(status={"updatedReplicas": 0}), "0 of 1 pods are made"),
        (deployment(status={"replicas": 2}), "1 pods of before are still there"),
        (deployment(available=0, minReadySeconds=5), "a pod counts after 5 s of readiness"),
    ],
)
def test_the_deployments_own_progress(item: dict[str, Any], words: str) -> None:
    status = read(Seen(item))
    assert status.health is Health.STARTING
    assert words in status.reason


def waiting(reason: str, message: str = "m", /, count: int = 0, **last: Any) -> dict[str, Any]:
    found: dict[str, Any] = {"restartCount": count, "state": {"waiting": {"reason": reason, "message": message}}}
    return found | ({"lastState": {"terminated": last}} if last else {})


@pytest.mark.parametrize(
    ("container", "health", "reason"),
    [
        (waiting("ErrImagePull"), Health.STARTING, "ErrImagePull: m"),
        (waiting("ImagePullBackOff"), Health.FAILING, "ImagePullBackOff: m"),
        (
            waiting("CrashLoopBackOff", count=3, exitCode=7, message="first\nno such table"),
            Health.FAILING,
            "CrashLoopBackOff: container app ended with exit code 7; last words: no such table (3 restarts)",
        ),
        (
            waiting("CrashLoopBackOff", count=1, exitCode=137, reason="OOMKilled"),
            Health.FAILING,
            "CrashLoopBackOff: container app was ended for using more memory than its limit (OOMKilled) (1 restart)",
        ),
        (
            waiting("CreateContainerConfigError", 'configmap "x" not found'),
            Health.FAILING,
            'CreateContainerConfigError: container app: configmap "x" not found',
        ),
        ({"state": {"terminated": {"signal": 9}}}, Health.STARTING, "container app was ended by signal 9 (0 restarts)"),
        (waiting("ContainerCreating"), Health.STARTING, "running, but not ready yet"),
    ],
)
def test_containers_say_why(container: dict[str, Any], health: Health, reason: str) -> None:
    status = read(Seen(deployment(available=0), pods=[pod(ready=False, container=container)]))
    assert (status.health, status.reason) == (health, reason)


def test_what_was_well_is_degraded_while_some_serve_and_failing_without() -> None:
    broken = pod("b", ready=False, container=waiting("ImagePullBackOff"))
    two = deployment(replicas=2, available=1, conditions=[WELL])
    assert read(Seen(two, pods=[pod("a"), broken])).health is Health.DEGRADED
    none = deployment(replicas=2, available=0, conditions=[WELL])
    assert read(Seen(none, pods=[broken])).health is Health.FAILING


def test_no_progress_within_the_deadline_fails_with_the_pods_words() -> None:
    late = {"type": "Progressing", "status": "False", "message": "has timed out progressing"}
    unscheduled = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/3 nodes"}
    stuck = pod(ready=False, phase="Pending", conditions=[unscheduled], containerStatuses=[])
    status = read(Seen(deployment(available=0, conditions=[late]), pods=[stuck]))
    assert (status.health, status.reason) == (Health.FAILING, "Unschedulable: 0/3 nodes; no progress within 600 s")
    assert read(Seen(deployment(available=0), pods=[stuck])).reason == "Unschedulable: 0/3 nodes"


def test_a_full_quota() -> None:
    refused = {"type": "ReplicaFailure", "status": "True", "message": "pods x is forbidden: exceeded quota: small"}
    status = read(Seen(deployment(available=0, conditions=[refused])))
    assert status.health is Health.FAILING
    assert "exceeded quota: small" in status.reason


def test_a_failing_probe_is_quoted_from_the_event() -> None:
    events = {"p": [{"type": "Warning", "message": "Readiness probe failed: 503", "count": 4, "lastTimestamp": START}]}
    status = read(Seen(deployment(available=0), pods=[pod(ready=False)], events=events))
    assert (status.health, status.reason) == (Health.STARTING, "Readiness probe failed: 503 (4 times)")


def test_a_restarted_container_must_settle() -> None:
    again = {"restartCount": 1, "state": {"running": {"startedAt": "2026-11-22T12:04:55Z"}}}
    seen = Seen(deployment(), pods=[pod(container=again)])
    assert read(seen) == WorkloadStatus(
        KEY, Health.STARTING, 0, 1, "pod p was started again 5 s ago, for the first time", 1
    )
    assert read(seen, NOW + 6).health is Health.READY


def test_flapping_is_not_ready() -> None:
    seen = Seen(deployment(conditions=[WELL]), pods=[pod()], lost={"p": (NOW - 20, NOW - 2)})
    assert read(seen).health is Health.DEGRADED
    assert "flapping" in read(seen).reason
    assert read(seen, NOW + 60).health is Health.READY


def test_a_missing_sidecar_is_said_only_where_one_is_expected() -> None:
    words = "the pod has no sidecar: is the injection webhook installed?"
    assert read(Seen(deployment(), pods=[pod()], sidecar=True)).reason == words
    with_one = pod()
    with_one["spec"]["initContainers"] = [{"name": "colorlane-proxy"}]
    assert read(Seen(deployment(), pods=[with_one], sidecar=True)).health is Health.READY
