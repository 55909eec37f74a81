"""Every overlay renders, is valid by the API's schemas, and holds together: selectors, ports, secrets, probes."""

from __future__ import annotations

from collections import Counter
from typing import Any

import kubernetes_validate
import pytest
import yaml

from mesh.webhook.configuration import Endpoint, webhook_configuration
from tests.architecture.overlays import (
    NAMESPACE,
    OVERLAYS,
    Object,
    containers,
    name_of,
    of_kind,
    pods,
    port_names,
    rendered,
    selected,
)
from tests.architecture.processes import COMMANDS
from tests.docs.settings_page import known

KUBERNETES = "1.32"  # the oldest release whose schemas are checked; all kinds used here are stable in it
CLUSTER_WIDE = {
    "ClusterRole", "ClusterRoleBinding", "CustomResourceDefinition", "MutatingWebhookConfiguration", "Namespace",
    "ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding",
}  # fmt: skip
# Made by hand, once (docs/kubernetes.md): secrets do not belong into a repository. Or by the mesh itself.
SECRET_KEYS = {
    "colorlane": {"api-token", "mesh-token", "postgres-password", "redis-password", "shell-token"},
    "colorlane-mesh-ca": {"ca.crt"},
    "colorlane-registry": {".dockerconfigjson"},
}
PROBES = {"startupProbe", "readinessProbe", "livenessProbe"}
# Nobody calls them, so there is nothing to ask; when they die, so does the container, and is started again.
SERVE_NOTHING = {"controller", "worker-control", "worker-build"}
STORES = {"redis", "postgres", "prometheus"}
CONTROLLER = {"controller": ["python", "-P", "-m", "delivery", "controller"]}


@pytest.mark.parametrize("overlay", OVERLAYS)
class TestOverlay:
    """What holds for each overlay."""

    def test_the_api_server_would_take_it(self, overlay: str) -> None:
        for each in rendered(overlay):
            kubernetes_validate.validate(each, KUBERNETES, strict=True)

    def test_no_two_objects_collide(self, overlay: str) -> None:
        names = Counter(
            (each["kind"], each["metadata"].get("namespace"), each["metadata"]["name"]) for each in rendered(overlay)
        )
        assert not [name for name, count in names.items() if count > 1]

    def test_everything_is_in_colorlane_s_own_namespace(self, overlay: str) -> None:
        (namespace,) = of_kind(overlay, "Namespace")
        assert namespace["metadata"]["name"] == NAMESPACE
        assert namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
        places = {each["kind"]: each["metadata"].get("namespace") for each in rendered(overlay)}
        assert {kind for kind, place in places.items() if place is None} <= CLUSTER_WIDE
        assert set(places.values()) == {None, NAMESPACE}

    def test_services_and_budgets_select_pods_and_ports_that_exist(self, overlay: str) -> None:
        for service in of_kind(overlay, "Service"):
            (pod,) = selected(overlay, service["spec"]["selector"])
            assert {port["targetPort"] for port in service["spec"]["ports"]} <= port_names(pod), service["metadata"]
        budgets = list(of_kind(overlay, "PodDisruptionBudget"))
        for budget in budgets:
            (_,) = selected(overlay, budget["spec"]["selector"])
        assert {name_of(each) for each in budgets} == {name for name, _ in pods(overlay)} - {"prometheus"}

    def test_every_pod_has_its_own_account(self, overlay: str) -> None:
        accounts = {name_of(each) for each in of_kind(overlay, "ServiceAccount")}
        named = {pod["spec"]["serviceAccountName"].removeprefix("colorlane-") for _, pod in pods(overlay)}
        assert named == accounts == dict(pods(overlay)).keys()
        assert all(each["automountServiceAccountToken"] is False for each in of_kind(overlay, "ServiceAccount"))

    def test_workloads_select_their_own_pods(self, overlay: str) -> None:
        for workload in of_kind(overlay, "Deployment", "StatefulSet"):
            assert selected(overlay, workload["spec"]["selector"]) == [workload["spec"]["template"]]

    def test_images_are_pinned(self, overlay: str) -> None:
        for name, container in containers(overlay):
            image, _, tag = container["image"].rpartition(":")
            assert image, f"{name} has no version"
            assert tag != "latest", name

    def test_containers_have_probes_and_limits(self, overlay: str) -> None:
        for name, container in containers(overlay):
            probes = {probe for probe in container if probe.endswith("Probe")}
            assert probes == (set() if name in SERVE_NOTHING else PROBES), name
            assert container["resources"]["requests"].keys() >= {"cpu", "memory"}, name
            assert container["resources"]["limits"].keys() >= {"memory"}, name

    def test_pods_have_no_more_rights_than_they_need(self, overlay: str) -> None:
        for name, pod in pods(overlay):
            context = pod["spec"]["securityContext"]
            assert context["runAsNonRoot"] is True, name
            assert context["seccompProfile"] == {"type": "RuntimeDefault"}, name
            assert pod["spec"]["enableServiceLinks"] is False, name
        for name, container in containers(overlay):
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }, name

    def test_commands_are_those_of_the_embedded_stack(self, overlay: str) -> None:
        expected = {name: words for name, words in COMMANDS.items() if name != "agent"} | CONTROLLER
        ours = {name: each["args"] for name, each in containers(overlay) if each["image"].startswith("colorlane:")}
        assert ours == expected

    def test_an_upgrade_takes_nothing_away_before_the_new_is_there(self, overlay: str) -> None:
        for workload in of_kind(overlay, "Deployment"):
            assert workload["spec"]["strategy"]["rollingUpdate"]["maxUnavailable"] == 0, workload["metadata"]["name"]
        for name, container in containers(overlay):
            assert ("lifecycle" in container) == (name in {"api", "mesh", "gateway"}), name

    def test_who_is_scaled_by_load_has_no_fixed_number(self, overlay: str) -> None:
        scaled = {each["spec"]["scaleTargetRef"]["name"] for each in of_kind(overlay, "HorizontalPodAutoscaler")}
        for workload in of_kind(overlay, "Deployment"):
            if workload["metadata"]["name"] in scaled:
                assert "replicas" not in workload["spec"], "each `apply` would set it back"

    def test_replicas_are_spread(self, overlay: str) -> None:
        for workload in of_kind(overlay, "Deployment"):
            spread = workload["spec"]["template"]["spec"]["topologySpreadConstraints"]
            for each in spread:
                assert selected(overlay, each["labelSelector"]) == [workload["spec"]["template"]]

    def test_volumes_configuration_and_secrets_that_are_used_exist(self, overlay: str) -> None:
        maps = {each["metadata"]["name"]: set(each["data"]) for each in of_kind(overlay, "ConfigMap")}
        claims = {each["metadata"]["name"] for each in of_kind(overlay, "PersistentVolumeClaim")}
        for workload in of_kind(overlay, "Deployment", "StatefulSet"):
            pod = workload["spec"]["template"]["spec"]
            given = {each["metadata"]["name"] for each in workload["spec"].get("volumeClaimTemplates", [])}
            given |= {volume["name"] for volume in pod.get("volumes", [])}
            used = {mount["name"] for each in pod["containers"] for mount in each["volumeMounts"]}
            assert used == given, workload["metadata"]
            for volume in pod.get("volumes", []):
                check_volume(volume, maps, claims)
        for name, container in containers(overlay):
            for source in container.get("envFrom", []):
                assert source["configMapRef"]["name"] in maps, name
            for variable in container.get("env", []):
                reference = variable.get("valueFrom", {}).get("secretKeyRef")
                assert reference is None or reference["key"] in SECRET_KEYS[reference["name"]], name

    def test_variables_are_settings_that_colorlane_knows(self, overlay: str) -> None:
        given = {key for each in of_kind(overlay, "ConfigMap") for key in each["data"] if key.isupper()}
        given |= {variable["name"] for _, container in containers(overlay) for variable in container.get("env", [])}
        assert {name for name in given if name.startswith("COLORLANE_")} <= known().keys()

    def test_a_variable_is_defined_before_it_is_used_in_another(self, overlay: str) -> None:
        for name, container in containers(overlay):
            defined: set[str] = set()
            for variable in container.get("env", []):
                if "$(" in variable.get("value", ""):
                    assert variable["value"].partition("$(")[2].partition(")")[0] in defined, name
                defined.add(variable["name"])


def check_volume(volume: Object, maps: dict[str, set[str]], claims: set[str]) -> None:
    """Assert that what a volume refers to exists, with the keys it takes."""
    if "configMap" in volume:
        assert volume["configMap"]["name"] in maps
    if "persistentVolumeClaim" in volume:
        assert volume["persistentVolumeClaim"]["claimName"] in claims
    if "secret" in volume:
        check_keys(volume["secret"], volume["secret"]["secretName"])
    for source in volume.get("projected", {}).get("sources", []):
        if "secret" in source:
            check_keys(source["secret"], source["secret"]["name"])


def check_keys(source: dict[str, Any], name: str) -> None:
    """Assert that a volume takes single keys of a secret, and such as there are."""
    assert {item["key"] for item in source["items"]} <= SECRET_KEYS[name]


def test_only_who_needs_a_secret_gets_it() -> None:
    holders: dict[str, set[str]] = {}
    for name, container in containers("production"):
        for variable in container.get("env", []):
            if reference := variable.get("valueFrom", {}).get("secretKeyRef"):
                holders.setdefault(reference["key"], set()).add(name)
    assert holders["api-token"] == {"api"}
    assert holders["mesh-token"] == {"api", "controller", "mesh", "worker-control"}
    assert holders["postgres-password"] == {"api", "controller", "postgres", "worker-build", "worker-control"}
    assert holders["redis-password"] == {"api", "controller", "mesh", "redis", "worker-build", "worker-control"}
    assert "shell-token" not in holders, "shells are off unless an overlay adds components/shell"


def test_no_secret_s_content_is_in_the_repository() -> None:
    for overlay in OVERLAYS:
        assert all(not each.get("data") and not each.get("stringData") for each in of_kind(overlay, "Secret"))


def test_the_webhook_is_what_the_mesh_would_write() -> None:
    (found,) = of_kind("production", "MutatingWebhookConfiguration")
    wanted = webhook_configuration(Endpoint())
    assert found["metadata"]["name"] == wanted["metadata"]["name"]
    assert found["webhooks"] == wanted["webhooks"]


def test_sidecars_are_of_the_mesh_s_own_image() -> None:
    (mesh,) = (container for name, container in containers("production") if name == "mesh")
    given = {variable["name"]: variable.get("value") for variable in mesh["env"]}
    assert given["COLORLANE_SIDECAR_IMAGE"] == mesh["image"]


def test_projects_namespaces_let_captured_pods_in() -> None:
    """Capture needs NET_ADMIN for a moment, which `baseline` refuses: a real node's pods were not made."""
    for overlay in OVERLAYS:
        (given,) = (each["data"] for each in of_kind(overlay, "ConfigMap") if "COLORLANE_PLATFORM" in each["data"])
        if given.get("COLORLANE_SIDECAR_MODE", "transparent") == "transparent":
            assert given.get("COLORLANE_POD_SECURITY", "") in ("", "privileged")


def test_prometheus_scrapes_ports_that_pods_have() -> None:
    (prometheus,) = (each for each in of_kind("production", "ConfigMap") if "prometheus.yml" in each["data"])
    jobs = {job["job_name"]: job for job in yaml.safe_load(prometheus["data"]["prometheus.yml"])["scrape_configs"]}
    templates = dict(pods("production"))
    (by_port,) = (rule["regex"] for rule in jobs["api"]["relabel_configs"] if rule.get("action") == "keep")
    assert [name for name, pod in templates.items() if by_port in port_names(pod)] == ["api"]
    (by_both,) = (rule["regex"] for rule in jobs["mesh"]["relabel_configs"] if rule.get("action") == "keep")
    name, _, port = by_both.partition(";")
    assert port in port_names(templates[name.removeprefix("colorlane-")])
