"""Every overlay renders, is valid for the API server, and holds together: selectors, ports, secrets, probes, rights."""

from __future__ import annotations

import shutil
import subprocess
import sysconfig
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from tests.architecture.processes import COMMANDS
from tests.architecture.sources import ROOT
from tests.docs.settings_page import known

OVERLAYS = sorted(path.name for path in (ROOT / "kustomize/overlays").iterdir())
KUBERNETES = "1.32"  # the oldest release whose schemas are checked; all kinds used here are older and stable
# Made by hand, once (docs/kubernetes.md): secrets do not belong into a repository.
SECRET_KEYS = {"colorlane": {"api-token", "postgres-password"}}
PROBES = {"startupProbe", "readinessProbe", "livenessProbe"}
# Nobody calls them, so there is nothing to ask; when they die, so does the container, and is started again.
SERVE_NOTHING = {"node/agent", "node/worker-control", "node/worker-build"}
Object = dict[str, Any]


def kubectl() -> str:
    """Return the wheel's kubectl, else the one on PATH."""
    wheel = Path(sysconfig.get_path("scripts")) / "kubectl"
    found = str(wheel) if wheel.exists() else shutil.which("kubectl")
    assert found, "no kubectl; install the package with its dependencies"
    return found


@cache
def rendered(overlay: str) -> tuple[Object, ...]:
    command = [kubectl(), "kustomize", str(ROOT / "kustomize/overlays" / overlay)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return tuple(yaml.safe_load_all(done.stdout))


def of_kind(overlay: str, *kinds: str) -> Iterator[Object]:
    return (each for each in rendered(overlay) if each["kind"] in kinds)


def pods(overlay: str) -> Iterator[tuple[str, Object]]:
    """Yield (workload, pod template)."""
    for workload in of_kind(overlay, "Deployment", "StatefulSet", "DaemonSet"):
        yield workload["metadata"]["name"], workload["spec"]["template"]


def containers(overlay: str) -> Iterator[tuple[str, Object]]:
    for workload, pod in pods(overlay):
        for container in pod["spec"]["containers"]:
            yield f"{workload}/{container['name']}", container


def selected(overlay: str, selector: Object) -> list[Object]:
    labels = selector.get("matchLabels", selector)
    return [pod for _, pod in pods(overlay) if labels.items() <= pod["metadata"]["labels"].items()]


def port_names(pod: Object) -> set[str]:
    return {port["name"] for container in pod["spec"]["containers"] for port in container.get("ports", [])}


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

    def test_everything_is_in_the_overlay_s_own_namespace(self, overlay: str) -> None:
        (namespace,) = of_kind(overlay, "Namespace")
        assert namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
        others = [each for each in rendered(overlay) if each["kind"] != "Namespace"]
        assert {each["metadata"]["namespace"] for each in others} == {namespace["metadata"]["name"]}

    def test_services_budgets_and_policies_select_pods_and_ports_that_exist(self, overlay: str) -> None:
        for service in of_kind(overlay, "Service"):
            (pod,) = selected(overlay, service["spec"]["selector"])
            assert {port["targetPort"] for port in service["spec"]["ports"]} <= port_names(pod), service["metadata"]
        for budget in of_kind(overlay, "PodDisruptionBudget"):
            assert selected(overlay, budget["spec"]["selector"]), budget["metadata"]
        for policy in of_kind(overlay, "NetworkPolicy"):
            (pod,) = selected(overlay, policy["spec"]["podSelector"])
            ports = {port["port"] for rule in policy["spec"]["ingress"] for port in rule["ports"]}
            assert ports <= port_names(pod), policy["metadata"]

    def test_every_pod_is_met_by_a_policy_and_has_its_own_account(self, overlay: str) -> None:
        accounts = {each["metadata"]["name"] for each in of_kind(overlay, "ServiceAccount")}
        assert {pod["spec"]["serviceAccountName"] for _, pod in pods(overlay)} == accounts == dict(pods(overlay)).keys()
        covered = [selected(overlay, policy["spec"]["podSelector"]) for policy in of_kind(overlay, "NetworkPolicy")]
        assert all(any(pod in each for each in covered) for _, pod in pods(overlay))
        assert all(pod["spec"]["automountServiceAccountToken"] is False for _, pod in pods(overlay))

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
        for name, container in containers(overlay):
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }, name

    def test_commands_are_those_of_the_embedded_stack(self, overlay: str) -> None:
        assert {name: each["args"] for name, each in containers(overlay) if each["image"].startswith("colorlane:")} == {
            f"node/{name}": command for name, command in COMMANDS.items()
        }

    def test_volumes_configuration_and_secrets_that_are_used_exist(self, overlay: str) -> None:
        maps = {each["metadata"]["name"]: set(each["data"]) for each in of_kind(overlay, "ConfigMap")}
        claims = {each["metadata"]["name"] for each in of_kind(overlay, "PersistentVolumeClaim")}
        for workload in of_kind(overlay, "StatefulSet"):
            pod = workload["spec"]["template"]["spec"]
            given = {each["metadata"]["name"] for each in workload["spec"]["volumeClaimTemplates"]}
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
        assert {item["key"] for item in volume["secret"]["items"]} <= SECRET_KEYS[volume["secret"]["secretName"]]


def test_only_who_needs_a_secret_gets_it() -> None:
    """Applications and builds run beside each other: the agent, which starts applications, must not know the token."""
    holders = {
        variable["name"]: {name for name, each in containers("production") if variable in each.get("env", [])}
        for _, container in containers("production")
        for variable in container.get("env", [])
        if "valueFrom" in variable
    }
    assert holders["COLORLANE_API_TOKEN"] == {"node/api"}
    assert not {"node/agent", "node/gateway", "node/mesh"} & holders["POSTGRES_PASSWORD"]
