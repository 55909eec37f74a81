"""BuildKit as a Job: a rootless buildkitd in a pod of its own for one build, gone after it. Neighbour: buildkit.

The pod holds no login and no token of the cluster. Context and image travel through the API server (`kubectl exec`,
BuildKit's `kube-pod://` addresses), so the builder has no open port, and whoever may not exec there cannot use it.
Requirements of rootless BuildKit: its docs/rootless.md (own user namespaces, unconfined seccomp and AppArmor).
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

from pipelines.errors import Rejected, Transient
from pipelines.ports import DockerfileRequest, KeepGoing, Log, Stopped

CONTAINER = "buildkit"
SOCKET = "unix:///run/user/1000/buildkit/buildkitd.sock"
START = 180.0  # seconds until the pod must be ready: an image pull, perhaps a new node
POLL = 0.5
# What a pod that will never start is waiting for; anything else may pass.
_HOPELESS = frozenset(
    {"ErrImagePull", "ImagePullBackOff", "InvalidImageName", "CreateContainerConfigError", "ended", "forbidden"}
)


@dataclass(frozen=True)
class JobOptions:
    """`image` is a rootless BuildKit; `disk` bounds what a build may write; amounts as Kubernetes writes them."""

    namespace: str = "colorlane-builds"
    image: str = "moby/buildkit:v0.26.2-rootless"
    cpu: str = "2"
    memory: str = "4Gi"
    disk: str = "20Gi"


def job_manifest(name: str, service: str, seconds: float, options: JobOptions) -> dict[str, Any]:
    """Return the Job: one attempt, ended by Kubernetes `seconds` after its start even when its worker is dead."""
    labels = {
        "app.kubernetes.io/name": "buildkit",
        "app.kubernetes.io/managed-by": "colorlane",
        "colorlane.dev/builds": service,
        "colorlane.dev/inject": "false",
    }
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": name, "namespace": options.namespace, "labels": labels},
        "spec": {
            "backoffLimit": 0,
            "activeDeadlineSeconds": int(seconds),
            "ttlSecondsAfterFinished": 60,
            "template": {"metadata": {"labels": labels}, "spec": _pod(options)},
        },
    }


def _pod(options: JobOptions) -> dict[str, Any]:
    ids = {"runAsUser": 1000, "runAsGroup": 1000}
    return {
        "restartPolicy": "Never",
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": 5,
        "securityContext": {"runAsNonRoot": True, "fsGroup": 1000, **ids},
        "containers": [
            {
                "name": CONTAINER,
                "image": options.image,
                "args": ["--addr", SOCKET, "--oci-worker-no-process-sandbox"],
                "readinessProbe": {
                    "exec": {"command": ["buildctl", "--addr", SOCKET, "debug", "workers"]},
                    "periodSeconds": 1,
                    "timeoutSeconds": 5,
                },
                "env": [{"name": "BUILDKIT_HOST", "value": SOCKET}],
                "securityContext": {
                    **ids,
                    "seccompProfile": {"type": "Unconfined"},
                    "appArmorProfile": {"type": "Unconfined"},
                },
                "resources": {
                    "requests": {"cpu": "250m", "memory": "512Mi"},
                    "limits": {"cpu": options.cpu, "memory": options.memory, "ephemeral-storage": options.disk},
                },
                "volumeMounts": [{"name": "state", "mountPath": "/home/user/.local/share/buildkit"}],
            }
        ],
        "volumes": [{"name": "state", "emptyDir": {"sizeLimit": options.disk}}],
    }


class BuildkitJobs:
    """An `Address` (see buildkit): a Job for each build. `api` is a `kubernetes.client.ApiClient`."""

    def __init__(self, api: Any, options: JobOptions, *, start: float = START) -> None:
        from kubernetes import client

        self._batch: Any = client.BatchV1Api(api)
        self._core: Any = client.CoreV1Api(api)
        self._options = options
        self._start = start

    @contextmanager
    def __call__(self, request: DockerfileRequest, log: Log, keep_going: KeepGoing) -> Iterator[str]:
        """Yield the address of the build's own buildkitd; the Job is deleted at the end."""
        name = f"build-{request.service[:40].rstrip('-')}-{uuid.uuid4().hex[:8]}"
        seconds = request.image.timeout + self._start + 60
        with self._translated():
            manifest: Any = job_manifest(name, request.service, seconds, self._options)
            self._batch.create_namespaced_job(self._options.namespace, manifest)
        log.note(f"builds in job {self._options.namespace}/{name}")
        try:
            pod = self._ready(name, log, keep_going)
            yield f"kube-pod://{pod}?namespace={self._options.namespace}&container={CONTAINER}"
        finally:
            with suppress(Transient, Rejected), self._translated():
                self._batch.delete_namespaced_job(name, self._options.namespace, propagation_policy="Background")

    def _ready(self, job: str, log: Log, keep_going: KeepGoing) -> str:
        """Return the name of the Job's pod once it is ready. Raises Stopped, Transient (slow), Rejected (hopeless)."""
        deadline, told = time.monotonic() + self._start, ""
        while keep_going():
            with self._translated():
                pods = self._core.list_namespaced_pod(
                    self._options.namespace, label_selector=f"batch.kubernetes.io/job-name={job}"
                ).items
            state = pod_state(pods[0].to_dict()) if pods else self._why_none(job)
            if state == "ready":
                return str(pods[0].metadata.name)
            if state.partition(":")[0] in _HOPELESS:
                remedy = "Check COLORLANE_BUILDKIT_IMAGE and what the namespace permits (docs/images.md)"
                raise Rejected(f"the build's pod cannot run: {state}", field="builder", value=state, remedy=remedy)
            if state != told:
                log.note(f"waiting for the build's pod: {state}")
                told = state
            if time.monotonic() > deadline:
                raise Transient(f"the build's pod was not ready within {self._start:g} s: {state}", retry_after=30)
            time.sleep(POLL)
        raise Stopped

    def _why_none(self, job: str) -> str:
        """Return why the Job has no pod, from its events: a quota and pod security are told nowhere else."""
        selector = f"involvedObject.kind=Job,involvedObject.name={job},reason=FailedCreate"
        with self._translated():
            events = self._core.list_namespaced_event(self._options.namespace, field_selector=selector).items
        said = str(events[-1].message)[:300] if events else ""
        if "forbidden" in said and "quota" not in said:  # a quota may have room again
            return f"forbidden: {said}"
        return f"no pod yet{f': {said}' if said else ''}"

    @contextmanager
    def _translated(self) -> Iterator[None]:
        """Turn the client's errors into ours."""
        from kubernetes.client.exceptions import ApiException
        from urllib3.exceptions import HTTPError

        try:
            yield
        except ApiException as error:
            text = f"the API server answered {error.status}: {str(error.body or error.reason)[:300]}"
            if error.status in (400, 401, 403, 404, 422):
                remedy = f"Check the namespace {self._options.namespace} and the worker's rights in it (docs/images.md)"
                raise Rejected(text, field="builder", value=error.status, remedy=remedy) from None
            raise Transient(text, retry_after=5) from None
        except HTTPError as error:
            raise Transient(f"the API server is away: {type(error).__name__}", retry_after=5) from None


def pod_state(pod: Mapping[str, Any]) -> str:
    """Return `ready`, or why not, from a pod as the Python client's `to_dict` gives it."""
    status = pod.get("status") or {}
    for container in status.get("container_statuses") or []:
        waiting = (container.get("state") or {}).get("waiting") or {}
        if waiting.get("reason"):
            return f"{waiting['reason']}: {(waiting.get('message') or '')[:200]}"
    if status.get("phase") in ("Failed", "Succeeded"):
        return f"ended: {status.get('reason') or status['phase']} {(status.get('message') or '')[:200]}".strip()
    for condition in status.get("conditions") or []:
        if condition.get("type") == "Ready" and condition.get("status") == "True":
            return "ready"
        if condition.get("type") == "PodScheduled" and condition.get("status") == "False":
            return f"{condition.get('reason')}: {(condition.get('message') or '')[:200]}"
    return f"phase {status.get('phase') or 'unknown'}"
