"""Images and the cluster: Jobs that build Dockerfiles through the API server, and images that a real kubelet runs.

The Job, its rights, pod security and `kubectl exec` are real; kwok's pods run nothing, and what is executed in one runs
on this machine, where a real buildkitd listens: so BuildKit's own stream goes through the API server, too.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from kubernetes import client, config

from pipelines.artifacts import ArtifactStore
from pipelines.builders.buildkit import BuildkitBuilder
from pipelines.builders.buildkit_job import BuildkitJobs, JobOptions, job_manifest
from pipelines.errors import Rejected, Transient
from pipelines.images.credentials import Credentials
from pipelines.packaging import ImageOptions, ImagePackaging
from pipelines.ports import DockerfileRequest
from pipelines.runs import JobState
from pipelines.specs import ImageSpec
from tests.architecture.sources import ROOT
from tests.fakes.background import wait_for
from tests.fakes.images import running_buildkitd
from tests.fakes.shops import Shop
from tests.kubernetes.connection import Connection

SPEC = "services: {one: {image: {dockerfile: Dockerfile}}}\n"
FILES = {"colorlane.yaml": SPEC, "services/one/Dockerfile": "FROM scratch\nCOPY hello /\n", "services/one/hello": "hi"}
STAYS = "registry.test/buildkit:outcome-flapping"  # a pod of a Job that becomes ready and does not end by itself
SOCKET = Path("/run/buildkit/buildkitd.sock")  # where `buildctl` looks by itself


class Notes:
    """A job's log in memory."""

    def __init__(self) -> None:
        self.text = ""

    def write(self, chunk: bytes) -> None:
        self.text += chunk.decode()

    def note(self, text: str) -> None:
        self.text += f"{text}\n"

    def last_line(self) -> str:
        return self.text.splitlines()[-1]


def documented(kind: str) -> dict[str, Any]:
    """Return an object of docs/images.md, which is what people apply."""
    blocks = re.findall(r"```yaml\n(apiVersion.*?)```", (ROOT / "docs" / "images.md").read_text(), re.DOTALL)
    found = [item for block in blocks for item in yaml.safe_load_all(block) if item["kind"] == kind]
    return dict(found[0])


@pytest.fixture
def worker(cluster: Connection, namespace: str) -> Path:
    """A kubeconfig with the rights of the documented Role in the namespace, and no other."""
    kubeconfig = cluster.service_account_kubeconfig(namespace, "worker")
    role = documented("Role")
    role["metadata"]["namespace"] = namespace
    binding = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "RoleBinding",
        "metadata": {"name": "worker"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": role["metadata"]["name"]},
        "subjects": [{"kind": "ServiceAccount", "name": "worker", "namespace": namespace}],
    }
    cluster.apply(role, binding, namespace=namespace)
    return kubeconfig


def jobs_of(kubeconfig: Path, namespace: str, image: str = "moby/buildkit:rootless", start: float = 30) -> BuildkitJobs:
    settings = client.Configuration()
    config.load_kube_config(str(kubeconfig), client_configuration=settings)
    return BuildkitJobs(client.ApiClient(settings), JobOptions(namespace=namespace, image=image), start=start)


def request() -> DockerfileRequest:
    return DockerfileRequest("one", Path(), ImageSpec(dockerfile="Dockerfile"), "linux/amd64")


@pytest.fixture
def buildkitd(tmp_path: Path) -> Iterator[None]:
    if os.geteuid() != 0 or SOCKET.exists():
        pytest.skip(f"needs root and a free {SOCKET}")
    SOCKET.parent.mkdir(parents=True, exist_ok=True)
    with running_buildkitd(tmp_path, SOCKET):
        yield
    SOCKET.unlink(missing_ok=True)


def test_a_dockerfile_is_built_in_a_job_of_its_own(
    buildkitd: None, cluster: Connection, namespace: str, worker: Path, tmp_path: Path
) -> None:
    store = ArtifactStore(tmp_path / "state")
    builder = BuildkitBuilder(jobs_of(worker, namespace, STAYS), Credentials(), environment={"KUBECONFIG": str(worker)})
    made = ImagePackaging(ImageOptions(), store, Credentials(), builder)
    result, log = Shop(tmp_path / "shop", FILES).build(store, made, "one")
    assert result.state is JobState.SUCCEEDED, log
    assert f"builds in job {namespace}/build-one-" in log
    assert store.images.archive(result.artifact).is_file()
    wait_for("the job is gone", lambda: not cluster.get("jobs", namespace=namespace)["items"])


def test_the_pod_is_what_rootless_buildkit_needs_and_no_more(cluster: Connection, namespace: str) -> None:
    manifest = job_manifest("build-one", "one", 60, JobOptions(namespace=namespace))
    cluster.apply(manifest, namespace=namespace)
    job = cluster.get("job", "build-one", namespace)
    pod = job["spec"]["template"]["spec"]
    assert job["spec"]["activeDeadlineSeconds"] == 60
    assert pod["automountServiceAccountToken"] is False
    assert pod["containers"][0]["securityContext"]["seccompProfile"] == {"type": "Unconfined"}
    assert "privileged" not in pod["containers"][0]["securityContext"]


def test_an_image_that_cannot_be_pulled_is_said_at_once(cluster: Connection, namespace: str, worker: Path) -> None:
    jobs, notes = jobs_of(worker, namespace, "registry.test/x:outcome-image-pull-backoff"), Notes()
    with pytest.raises(Rejected, match="ImagePull"), jobs(request(), notes, lambda: True):
        pass
    wait_for("the job is gone", lambda: not cluster.get("jobs", namespace=namespace)["items"])


def test_pod_security_that_refuses_the_pod_is_named(cluster: Connection, namespace: str, worker: Path) -> None:
    cluster.kubectl("label", "namespace", namespace, "pod-security.kubernetes.io/enforce=baseline")
    with (
        pytest.raises(Rejected, match=r"forbidden.*PodSecurity"),
        jobs_of(worker, namespace)(request(), Notes(), lambda: True),
    ):
        pass


def test_missing_rights_and_slow_pods(cluster: Connection, namespace: str, worker: Path) -> None:
    stranger = cluster.service_account_kubeconfig(namespace, "stranger")
    with pytest.raises(Rejected, match="403"), jobs_of(stranger, namespace)(request(), Notes(), lambda: True):
        pass
    slow = jobs_of(worker, namespace, "registry.test/x:outcome-never-ready", start=2)
    with pytest.raises(Transient, match="not ready within"), slow(request(), Notes(), lambda: True):
        pass


def test_a_real_kubelet_runs_an_image_that_was_loaded_from_its_file(
    real_node: Any, real_namespace: str, tmp_path: Path, python_base: Callable[[Path], str]
) -> None:
    """Push-free: built here, loaded as a file, found by the digest the manifests name."""
    store = ArtifactStore(tmp_path / "state")
    with_base = python_base(tmp_path)
    options = ImageOptions(bases={"python:3.12-slim": with_base}, insecure=frozenset({with_base.partition("/")[0]}))
    result, log = Shop(tmp_path / "shop").build(store, ImagePackaging(options, store), "details")
    assert result.state is JobState.SUCCEEDED, log
    real_node.load(store.images.archive(result.artifact))
    container = {
        "name": "details",
        "image": f"colorlane.local/shop/details@{result.artifact}",
        "command": ["python3", "app.py"],
        "ports": [{"containerPort": 9080}],
        "readinessProbe": {"httpGet": {"path": "/healthz", "port": 9080}, "periodSeconds": 1},
        "securityContext": {"runAsNonRoot": True, "allowPrivilegeEscalation": False},
    }
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "details"}, "spec": {"containers": [container]}}
    real_node.cluster.apply(pod, namespace=real_namespace)
    ready = "jsonpath={.status.conditions[?(@.type=='Ready')].status}"
    where = [f"--namespace={real_namespace}"]
    wait_for(
        "the pod is ready",
        lambda: real_node.cluster.kubectl("get", "pod", "details", *where, "-o", ready) == "True",
        90,
    )


@pytest.fixture
def python_base(tmp_path: Path) -> Iterator[Callable[[Path], str]]:
    from pipelines.images.push import push_image
    from pipelines.images.references import parse_reference
    from pipelines.images.registry import Registry
    from tests.fakes.images import python_root, running_registry, tree_image

    with running_registry(tmp_path / "registry") as registry:

        def make(place: Path) -> str:
            image = tree_image(python_root(place / "root"), place, Env=["PATH=/usr/bin:/bin"])
            pushing = Registry(parse_reference(f"{registry.host}/x"), Credentials(), insecure=True)
            push_image(pushing, "base/python", image, "3")
            pushing.close()
            return f"{registry.host}/base/python:3"

        yield make
