"""Installation on a real API server: every overlay is accepted, runs, upgrades, and leaves nothing; rights are as said.

On a cluster of its own, because Colorlane's kinds and roles belong to a whole cluster.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.architecture.overlays import OVERLAYS, rendered
from tests.architecture.sources import ROOT
from tests.fakes.background import wait_for
from tests.kubernetes.cluster import Cluster
from tests.kubernetes.connection import KubectlFailed
from tests.kubernetes.rights import Ask, allowed, production

pytestmark = [pytest.mark.integration, pytest.mark.timeout(600), pytest.mark.xdist_group("kubernetes")]

NAMESPACE = "colorlane"
PART = "app.kubernetes.io/part-of=colorlane"
CLUSTER_WIDE = (
    "customresourcedefinitions,clusterroles,clusterrolebindings,mutatingwebhookconfigurations,"
    "validatingadmissionpolicies,validatingadmissionpolicybindings,namespaces"
)
SECRETS = ("api-token", "mesh-token", "redis-password", "postgres-password", "shell-token")
VOLUMES = 5


@pytest.fixture(scope="module")
def place(programs: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A cluster with disks, and nothing of Colorlane's."""
    if os.environ.get("COLORLANE_TEST_KUBECONFIG"):
        pytest.skip("installs and uninstalls Colorlane: not on somebody's cluster")
    with Cluster(tmp_path_factory.mktemp("install"), programs, nodes=4) as started:
        yield started


def folder(overlay: str) -> str:
    return str(ROOT / "kustomize/overlays" / overlay)


def disk(number: int) -> dict[str, Any]:
    """Return a disk that any claim here may take; kwok's nodes have no others."""
    spec = {
        "capacity": {"storage": "50Gi"},
        "accessModes": ["ReadWriteOnce", "ReadWriteMany"],
        "hostPath": {"path": f"/nowhere/{number}"},
    }
    return {"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": f"disk-{number}"}, "spec": spec}


def secret() -> dict[str, Any]:
    text = dict.fromkeys(SECRETS, "a-test-s")
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "colorlane"}, "stringData": text}


@contextlib.contextmanager
def installed(place: Cluster, overlay: str) -> Iterator[None]:
    """Install as docs/kubernetes.md says, wait until all runs, and uninstall."""
    place.apply(*[disk(number) for number in range(VOLUMES)])
    try:
        place.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}})
        place.apply(secret(), namespace=NAMESPACE)
        place.kubectl("apply", "--server-side", "--kustomize", folder(overlay))
        wait_for(f"{overlay} to run", lambda: not lacking(place), 90)
        yield
    finally:
        place.kubectl("delete", "--ignore-not-found", "--wait", "--kustomize", folder(overlay))
        place.kubectl("delete", "--ignore-not-found", "persistentvolumes", "--all")


def workloads(place: Cluster) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = place.get("deployments,statefulsets", namespace=NAMESPACE)["items"]
    return found


def lacking(place: Cluster) -> list[str]:
    """Return the workloads that have fewer replicas than asked for, or old ones."""
    found = workloads(place)
    return [
        one["metadata"]["name"]
        for one in found
        if one["status"].get("observedGeneration") != one["metadata"]["generation"]
        or one["status"].get("readyReplicas", 0) < one["spec"]["replicas"]
        or one["status"].get("updatedReplicas", 0) < one["spec"]["replicas"]
    ] or ([] if found else ["all"])


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_an_overlay_is_accepted_runs_and_leaves_nothing(place: Cluster, overlay: str) -> None:
    with installed(place, overlay):
        dry = ("apply", "--server-side", "--dry-run=server", "--validate=strict", "--kustomize", folder(overlay))
        assert place.kubectl(*dry).count("serverside-applied") == len(rendered(overlay))
        names = {one["metadata"]["name"] for one in workloads(place)}
        assert names >= {f"colorlane-{name}" for name in ("api", "controller", "gateway", "mesh", "redis")}
        events = place.get("events", namespace=NAMESPACE)["items"]
        assert not [one["message"] for one in events if one["reason"] == "FailedCreate"], "refused by pod security?"
    left = place.kubectl("get", CLUSTER_WIDE, "--selector", PART, "--output=name").split()
    assert left == []
    assert place.kubectl("get", "namespace", NAMESPACE, "--ignore-not-found") == ""


@pytest.mark.parametrize("component", ["builds", "shell"])
def test_a_component_of_choice_is_accepted(place: Cluster, component: str, tmp_path: Path) -> None:
    """Server-side, as a whole: what it patches must exist, and the result must be valid."""
    above = os.path.relpath(ROOT / "kustomize", tmp_path)
    (tmp_path / "kustomization.yaml").write_text(
        f"resources: [{above}/overlays/staging]\ncomponents: [{above}/components/{component}]\n"
    )
    for name in (NAMESPACE, "colorlane-builds"):
        place.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    done = place.kubectl("apply", "--server-side", "--dry-run=server", "--validate=strict", "-k", str(tmp_path))
    assert done.count("serverside-applied") > len(rendered("staging"))


@pytest.fixture(scope="module")
def running(place: Cluster) -> Iterator[Cluster]:
    """Production, with one project's namespace and one that Colorlane was not let into."""
    with installed(place, "production"):
        for name in ("bookshop", "others"):
            place.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
        place.kubectl("apply", "--namespace=bookshop", "--kustomize", str(ROOT / "kustomize/project"))
        yield place


@pytest.mark.parametrize("ask", production(), ids=str)
def test_an_account_may_do_what_it_needs_and_no_more(running: Cluster, ask: Ask) -> None:
    with running.http() as client:
        assert allowed(client, ask) == ask.expected


def test_an_account_s_own_token_opens_what_is_its_own_and_nothing_beside(running: Cluster) -> None:
    kubeconfig = running.service_account_kubeconfig(NAMESPACE, "colorlane-mesh")
    as_mesh = (f"--kubeconfig={kubeconfig}", f"--namespace={NAMESPACE}", "get", "secret")
    assert "colorlane-mesh-ca" in running.kubectl(*as_mesh, "colorlane-mesh-ca", "--output=name")
    with pytest.raises(KubectlFailed, match="forbidden"):
        running.kubectl(*as_mesh, "colorlane")


def test_pods_that_ask_for_more_are_refused(running: Cluster) -> None:
    container = {"name": "shell", "image": "shell:1", "securityContext": {"privileged": True}}
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "root"}, "spec": {"containers": [container]}}
    with pytest.raises(KubectlFailed, match='violates PodSecurity "restricted'):
        running.apply(pod, namespace=NAMESPACE)


def test_applying_again_keeps_the_keys_of_the_mesh(running: Cluster) -> None:
    body = '{"data": {"ca.crt": "bWVzaA=="}}'
    running.kubectl("patch", "secret", "colorlane-mesh-ca", f"--namespace={NAMESPACE}", "--type=merge", "--patch", body)
    running.kubectl("apply", "--server-side", "--kustomize", folder("production"))
    assert running.get("secret", "colorlane-mesh-ca", NAMESPACE)["data"] == {"ca.crt": "bWVzaA=="}


@pytest.mark.parametrize("name", ["api", "mesh", "gateway"])
def test_an_upgrade_has_old_and_new_side_by_side(running: Cluster, name: str) -> None:
    wanted = running.get("deployment", f"colorlane-{name}", NAMESPACE)["spec"]["replicas"]
    assert wanted > 1
    image = (f"deployment/colorlane-{name}", f"{name}=colorlane:0.1.1")
    running.kubectl("set", "image", *image, f"--namespace={NAMESPACE}")
    seen: list[int] = []

    def upgraded() -> bool:
        status = running.get("deployment", f"colorlane-{name}", NAMESPACE)["status"]
        seen.append(status.get("availableReplicas", 0))
        return f"colorlane-{name}" not in lacking(running) and status.get("replicas") == wanted

    wait_for(f"{name} to be upgraded", upgraded, 90)
    assert min(seen) >= wanted
