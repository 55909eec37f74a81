"""The Job's shape, and what a pod's state means."""

from __future__ import annotations

from typing import Any

import pytest

from pipelines.builders.buildkit_job import JobOptions, job_manifest, pod_state


def test_the_job_ends_by_itself_and_holds_no_token() -> None:
    manifest = job_manifest("build-a", "a", 99.9, JobOptions(namespace="ns", image="img", disk="1Gi"))
    spec, pod = manifest["spec"], manifest["spec"]["template"]["spec"]
    assert (manifest["metadata"]["namespace"], spec["backoffLimit"], spec["activeDeadlineSeconds"]) == ("ns", 0, 99)
    assert pod["automountServiceAccountToken"] is False
    assert pod["restartPolicy"] == "Never"
    assert pod["containers"][0]["image"] == "img"
    assert pod["containers"][0]["securityContext"]["runAsUser"] == 1000
    assert pod["volumes"][0]["emptyDir"] == {"sizeLimit": "1Gi"}
    assert spec["template"]["metadata"]["labels"]["colorlane.dev/inject"] == "false"
    assert "env" not in repr(pod["containers"][0].get("envFrom", ""))


def waiting(reason: str, message: str | None = None) -> dict[str, Any]:
    return {"status": {"container_statuses": [{"state": {"waiting": {"reason": reason, "message": message}}}]}}


@pytest.mark.parametrize(
    ("pod", "state"),
    [
        ({}, "phase unknown"),
        ({"status": {"phase": "Pending", "container_statuses": None}}, "phase Pending"),
        (waiting("ImagePullBackOff", "not found"), "ImagePullBackOff: not found"),
        (waiting("ContainerCreating"), "ContainerCreating: "),
        ({"status": {"phase": "Failed", "reason": "DeadlineExceeded"}}, "ended: DeadlineExceeded"),
        ({"status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}}, "ready"),
        (
            {"status": {"conditions": [{"type": "PodScheduled", "status": "False", "reason": "Unschedulable",
                                        "message": "0/3 nodes"}]}},
            "Unschedulable: 0/3 nodes",
        ),
    ],
)  # fmt: skip
def test_states_of_a_pod(pod: dict[str, Any], state: str) -> None:
    assert pod_state(pod) == state
