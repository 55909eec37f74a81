"""The real API server asks the real mesh process about new pods, with the rights of its own account and no more."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from mesh.apiserver import ApiServer
from mesh.identity import Keyring, ServingCertificate, ssl_context
from mesh.injection import Options
from mesh.webhook import Endpoint, Registration, admission_app, serve, webhook_configuration
from tests.fakes.background import Background, free_port, wait_for
from tests.kubernetes.connection import Connection, KubectlFailed

INJECT = "colorlane.dev/inject"
OURS = ["colorlane-capture", "colorlane-proxy"]


def pod(name: str, *, labels: dict[str, str] | None = None, **spec: Any) -> dict[str, Any]:
    containers = [{"name": "app", "image": "registry.test/app:1"}]
    metadata = {"name": name, "labels": labels or {}, "annotations": spec.pop("annotations", {})}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": {"containers": containers, **spec}}


def rights(home: str, webhook: str) -> list[dict[str, Any]]:
    """What the mesh needs to inject: its own two objects; and to list pods, for those that were missed."""
    group = "rbac.authorization.k8s.io"
    subjects = [{"kind": "ServiceAccount", "name": "colorlane-mesh", "namespace": home}]

    def role(kind: str, name: str, *rules: dict[str, Any]) -> list[dict[str, Any]]:
        where = {"namespace": home} if kind == "Role" else {}
        made = {"apiVersion": f"{group}/v1", "kind": kind, "metadata": {"name": name, **where}, "rules": list(rules)}
        reference = {"apiGroup": group, "kind": kind, "name": name}
        return [made, {**made, "kind": f"{kind}Binding", "roleRef": reference, "subjects": subjects, "rules": None}]

    configuration = {
        "apiGroups": ["admissionregistration.k8s.io"],
        "resources": ["mutatingwebhookconfigurations"],
        "resourceNames": [webhook],
        "verbs": ["get", "list", "watch", "update"],
    }
    missed = {"apiGroups": [""], "resources": ["pods", "namespaces"], "verbs": ["list"]}
    secret = {"apiGroups": [""], "resources": ["secrets"]}
    found = role("ClusterRole", webhook, configuration, missed) + role(
        "Role",
        "colorlane-mesh",
        {**secret, "resourceNames": ["colorlane-mesh-ca"], "verbs": ["get", "update"]},
        {**secret, "verbs": ["create"]},
    )
    return [{key: value for key, value in each.items() if value is not None} for each in found]


@dataclass
class House:
    cluster: Connection
    home: str
    team: str
    webhook: str
    port: int
    mesh: Background

    def names(self, pod: str, field: str = "initContainers") -> list[str]:
        spec = self.cluster.get("pods", pod, self.team)["spec"]
        return [each["name"] for each in spec.get(field, [])]

    def bundle(self) -> str:
        entries = self.cluster.get("mutatingwebhookconfigurations", self.webhook)["webhooks"]
        (bundle,) = {entry["clientConfig"].get("caBundle", "") for entry in entries}
        return str(bundle)

    def serving(self) -> None:
        """Wait until a labelled pod may be made (the API server takes a moment to learn of the configuration)."""

        def injected() -> bool:
            with contextlib.suppress(KubectlFailed):
                probe = json.dumps(pod("probe", labels={INJECT: "true"}))
                made = self.cluster.kubectl(
                    "create", "--dry-run=server", "-o", "json", "-n", self.team, "-f", "-", stdin=probe
                )
                return "colorlane-proxy" in made
            return False

        wait_for("the webhook to be asked", injected)


@pytest.fixture(scope="module")
def house(cluster: Connection, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    folder = tmp_path_factory.mktemp("injection")
    port, mesh_port = free_port(), free_port()
    home, team = f"home-{port}", f"team-{port}"
    webhook = f"sidecar-{port}"
    for name in (home, team):
        cluster.kubectl("create", "namespace", name)
    kubeconfig = cluster.service_account_kubeconfig(home, "colorlane-mesh")
    objects = rights(home, webhook)
    cluster.apply(*objects)
    endpoint = Endpoint(namespace=home, url=f"https://127.0.0.1:{port}/inject")
    cluster.apply(webhook_configuration(endpoint, name=webhook, only_namespaces=[team, home]))
    environment = {
        "COLORLANE_KUBECONFIG": str(kubeconfig),
        "COLORLANE_NAMESPACE": home,
        "COLORLANE_WEBHOOK_PORT": str(port),
        "COLORLANE_WEBHOOK_NAME": webhook,
        "COLORLANE_SIDECAR_IMAGE": "registry.test/colorlane:1",
        "COLORLANE_MESH_PORT": str(mesh_port),
        "COLORLANE_XDS_PORT": str(free_port()),
        "COLORLANE_REDIS_URL": f"redis://127.0.0.1:{free_port()}/0",  # away: injection waits for nothing of it
    }
    mesh = Background(folder / "mesh.log", sys.executable, "-m", "mesh", env=environment)
    mesh.start()
    made = House(cluster, home, team, webhook, port, mesh)
    try:
        wait_for("the caBundle", made.bundle)
        made.serving()
        yield made
    finally:
        mesh.kill()
        cluster.kubectl("delete", "mutatingwebhookconfiguration", webhook)
        cluster.kubectl("delete", "clusterrole,clusterrolebinding", webhook)
        cluster.kubectl("delete", "namespace", home, team, "--wait=false")


def test_a_labelled_pod_comes_out_with_its_sidecar_and_becomes_ready(house: House) -> None:
    spec = {"initContainers": [{"name": "migrate", "image": "registry.test/app:1"}]}
    house.cluster.apply(pod("reviews", labels={INJECT: "true", "app": "reviews"}, **spec), namespace=house.team)
    assert house.names("reviews") == [*OURS, "migrate"]
    found = house.cluster.get("pods", "reviews", house.team)
    capture, proxy, migrate = found["spec"]["initContainers"]
    assert proxy["restartPolicy"] == "Always"
    assert proxy["image"] == "registry.test/colorlane:1"
    token = [each for each in found["spec"]["volumes"] if each["name"].startswith("kube-api-access")]
    assert token, "the application has the token of its account, as without us"
    for container in (capture, proxy):
        assert token[0]["name"] not in [each["name"] for each in container["volumeMounts"]]
    assert token[0]["name"] in [each["name"] for each in migrate["volumeMounts"]]
    wait_for("readiness", lambda: ready(house, "reviews"))


def ready(house: House, name: str) -> bool:
    status = house.cluster.get("pods", name, house.team)["status"]
    return any(each["type"] == "Ready" and each["status"] == "True" for each in status.get("conditions", []))


def test_what_is_injected_is_accepted_and_left_as_it_is_when_made_again(house: House) -> None:
    text = house.cluster.kubectl(
        *("create", "--dry-run=server", "-o", "json", "-n", house.team, "-f", "-"),
        stdin=json.dumps(pod("twice", labels={INJECT: "true"})),
    )
    first = json.loads(text)
    for field in ("uid", "creationTimestamp", "resourceVersion"):
        first["metadata"].pop(field, None)
    again = json.loads(
        house.cluster.kubectl(
            *("create", "--dry-run=server", "-o", "json", "-n", house.team, "-f", "-"), stdin=json.dumps(first)
        )
    )
    assert again["spec"] == first["spec"]


def test_deployments_and_jobs_are_made_whole(house: House) -> None:
    template = {"metadata": {"labels": {"app": "shop", INJECT: "true"}}, "spec": pod("x")["spec"]}
    deployment = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "shop"},
        "spec": {"replicas": 2, "selector": {"matchLabels": {"app": "shop"}}, "template": template},
    }
    once = {"metadata": template["metadata"], "spec": {**template["spec"], "restartPolicy": "Never"}}
    job = {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "report"}, "spec": {"template": once}}
    house.cluster.apply(deployment, namespace=house.team)

    def available() -> bool:
        status = house.cluster.get("deployments", "shop", house.team)["status"]
        return bool(status.get("availableReplicas") == 2)

    wait_for("the Deployment", available)
    pods = house.cluster.get("pods", namespace=house.team, selector="app=shop")["items"]
    assert [[each["name"] for each in one["spec"]["initContainers"]] for one in pods] == [OURS, OURS]
    house.cluster.apply(job, namespace=house.team)
    wait_for("the Job's end", lambda: house.cluster.get("jobs", "report", house.team)["status"].get("succeeded") == 1)


def test_who_is_left_alone_and_why_is_told(house: House) -> None:
    house.cluster.apply(pod("plain"), pod("refusing", labels={INJECT: "false"}), namespace=house.team)
    assert house.names("plain") == house.names("refusing") == []
    house.cluster.apply(pod("host", labels={INJECT: "true"}, hostNetwork=True), namespace=house.team)
    assert house.names("host") == []
    wait_for("a line in the log", lambda: b"hostNetwork" in house.mesh.log.read_bytes())
    house.cluster.apply(pod("own", labels={INJECT: "true"}), namespace=house.home)
    assert "initContainers" not in house.cluster.get("pods", "own", house.home)["spec"]


def test_a_namespace_asks_for_all_its_pods(house: House) -> None:
    house.cluster.kubectl("label", "namespace", house.team, f"{INJECT}=enabled")
    try:

        def injected() -> bool:
            house.cluster.kubectl("delete", "pod", "silent", "-n", house.team, "--ignore-not-found", "--now")
            house.cluster.apply(pod("silent"), namespace=house.team)
            return house.names("silent") == OURS

        wait_for("the label to count", injected)
        house.cluster.apply(pod("out", labels={INJECT: "false"}), namespace=house.team)
        assert house.names("out") == []
    finally:
        house.cluster.kubectl("label", "namespace", house.team, f"{INJECT}-")


def test_a_wrong_annotation_is_refused_in_words(house: House) -> None:
    wrong = pod("wrong", labels={INJECT: "true"}, annotations={"colorlane.dev/capture": "maybe"})
    with pytest.raises(KubectlFailed, match="'maybe' is not usable; write transparent or proxy"):
        house.cluster.apply(wrong, namespace=house.team)


def test_restricted_namespaces_take_proxy_mode(house: House) -> None:
    context = {"runAsNonRoot": True, "runAsUser": 1000, "seccompProfile": {"type": "RuntimeDefault"}}
    container = {
        "name": "app",
        "image": "registry.test/app:1",
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
    }
    house.cluster.kubectl("label", "namespace", house.team, "pod-security.kubernetes.io/enforce=restricted")
    try:
        spec = {"containers": [container], "securityContext": context}
        labels, proxied = {INJECT: "true"}, {"colorlane.dev/capture": "proxy"}
        house.cluster.apply(pod("strict", labels=labels, annotations=proxied, **spec), namespace=house.team)
        assert house.names("strict") == ["colorlane-proxy"]
        with pytest.raises(KubectlFailed, match="NET_ADMIN"):
            house.cluster.apply(pod("captured", labels=labels, **spec), namespace=house.team)
    finally:
        house.cluster.kubectl("label", "namespace", house.team, "pod-security.kubernetes.io/enforce-")


def test_an_emptied_bundle_is_put_back(house: House) -> None:
    before = house.bundle()
    patch = [{"op": "replace", "path": f"/webhooks/{index}/clientConfig/caBundle", "value": ""} for index in (0, 1)]
    house.cluster.kubectl(
        "patch", "mutatingwebhookconfiguration", house.webhook, "--type=json", "-p", json.dumps(patch)
    )
    wait_for("the bundle", lambda: house.bundle() == before)
    house.serving()


def test_a_dead_mesh_stops_labelled_pods_only(house: House) -> None:
    house.cluster.kubectl("label", "namespace", house.team, f"{INJECT}=enabled")
    house.mesh.kill()
    try:
        with pytest.raises(KubectlFailed, match=r"failed calling webhook .pod\.sidecar\.colorlane\.dev"):
            house.cluster.apply(pod("bare", labels={INJECT: "true"}), namespace=house.team)
        house.cluster.apply(pod("willing"), namespace=house.team)
        assert house.names("willing") == [], "the namespace asked, nobody answered: it runs without"
        system = pod(f"system-{house.port}", labels={INJECT: "true"})
        house.cluster.apply(system, namespace="kube-system")
        house.cluster.kubectl("delete", "pod", system["metadata"]["name"], "-n", "kube-system", "--now")
        house.cluster.apply(pod("own-again", labels={INJECT: "true"}), namespace=house.home)
        before = house.bundle()
        house.mesh.start()
        house.serving()
        told = f'"{house.team}/willing"'.encode()
        wait_for("the mesh to say who was missed", lambda: told in house.mesh.log.read_bytes())
    finally:
        house.cluster.kubectl("label", "namespace", house.team, f"{INJECT}-")
    assert house.bundle() == before, "the same roots: they are kept in the cluster"


async def test_new_roots_and_certificates_reach_the_api_server_while_serving(
    cluster: Connection, namespace: str
) -> None:
    rings = [Keyring().renewed(datetime.now(UTC))]
    listener = socket.create_server(("127.0.0.1", 0))
    url = f"https://127.0.0.1:{listener.getsockname()[1]}/inject"
    serving = ServingCertificate(lambda: rings[-1], ["127.0.0.1"])
    app = admission_app(lambda: Options("registry.test/colorlane:1", rings[-1].bundle().decode()))
    running = asyncio.create_task(serve(app, listener, ssl_context(serving)))
    name, api = f"rotation-{namespace}", ApiServer(str(cluster.kubeconfig))
    configuration = webhook_configuration(Endpoint(url=url), name=name, only_namespaces=[namespace])
    await asyncio.to_thread(cluster.apply, configuration)
    registration = Registration(api, lambda: rings[-1].bundle(), name=name)
    try:
        for turn in range(2):
            assert await registration.settle()
            assert not await registration.settle()
            await asyncio.to_thread(injected_at_last, cluster, namespace, f"pod-{turn}")
            rings.append(Keyring().renewed(datetime.now(UTC)))
    finally:
        await asyncio.to_thread(cluster.kubectl, "delete", "mutatingwebhookconfiguration", name)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await api.close()


def injected_at_last(cluster: Connection, namespace: str, name: str) -> None:
    def made() -> bool:
        with contextlib.suppress(KubectlFailed):
            cluster.apply(pod(name, labels={INJECT: "true"}), namespace=namespace)
            found = cluster.get("pods", name, namespace)
            if "initContainers" in found["spec"]:
                return True
            cluster.kubectl("delete", "pod", name, "-n", namespace, "--now")
        return False

    wait_for("an injected pod", made)


def test_the_golden_file_is_accepted_by_the_api_server(cluster: Connection, namespace: str) -> None:
    """What `colorlane mesh inject` writes is valid to the last field."""
    golden = Path(__file__).parents[1] / "golden" / "mesh" / "injection"
    for file in ("team.transparent.yaml", "team.proxy.yaml"):
        text = (golden / file).read_text().replace("namespace: shop", f"namespace: {namespace}")
        cluster.kubectl("apply", "--dry-run=server", "--validate=strict", "-f", "-", stdin=text)
