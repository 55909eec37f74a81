"""Who may do what on the cluster: roles name what they allow, are bound to who needs them, and Secrets are few."""

from __future__ import annotations

import pytest

from tests.architecture.overlays import OVERLAYS, Object, built, name_of, of_kind, pods, rendered
from tests.architecture.sources import ROOT

# By kustomize/project, by components, or by who runs the cluster.
BOUND_ELSEWHERE = {"workloads", "console", "viewer", "operator"}
SEES_SECRETS = {("ClusterRole", "workloads"), ("Role", "mesh")}
ASK_THE_API_SERVER = {"api", "controller", "mesh", "prometheus", "worker-control"}


def roles(overlay: str) -> list[Object]:
    return list(of_kind(overlay, "Role", "ClusterRole"))


def bindings(overlay: str) -> list[Object]:
    return list(of_kind(overlay, "RoleBinding", "ClusterRoleBinding"))


@pytest.mark.parametrize("overlay", OVERLAYS)
class TestRights:
    """What holds for each overlay."""

    def test_nothing_is_allowed_by_a_star(self, overlay: str) -> None:
        for role in roles(overlay):
            for rule in role["rules"]:
                assert "*" not in [*rule["apiGroups"], *rule["resources"], *rule["verbs"]], role["metadata"]["name"]
                assert not {"bind", "escalate", "impersonate"} & set(rule["verbs"]), role["metadata"]["name"]

    def test_bindings_name_roles_and_accounts_that_exist(self, overlay: str) -> None:
        there = {(role["kind"], role["metadata"]["name"]) for role in roles(overlay)}
        accounts = {each["metadata"]["name"] for each in of_kind(overlay, "ServiceAccount")}
        for binding in bindings(overlay):
            assert (binding["roleRef"]["kind"], binding["roleRef"]["name"]) in there
            assert {(one["kind"], one["namespace"]) for one in binding["subjects"]} == {("ServiceAccount", "colorlane")}
            assert {one["name"] for one in binding["subjects"]} <= accounts
        bound = {(each["roleRef"]["kind"], each["roleRef"]["name"]) for each in bindings(overlay)}
        assert {name.removeprefix("colorlane-") for _, name in there - bound} <= BOUND_ELSEWHERE

    def test_secrets_are_for_two_roles_and_the_mesh_s_is_one_secret(self, overlay: str) -> None:
        found = {
            (role["kind"], name_of(role)): rule
            for role in roles(overlay) for rule in role["rules"] if "secrets" in rule["resources"]
        }  # fmt: skip
        assert found.keys() == SEES_SECRETS
        assert found["Role", "mesh"]["resourceNames"] == ["colorlane-mesh-ca"]
        assert set(found["Role", "mesh"]["verbs"]) == {"get", "update"}

    def test_only_who_asks_the_api_server_has_a_token_for_it(self, overlay: str) -> None:
        mounted = {name for name, pod in pods(overlay) if pod["spec"]["automountServiceAccountToken"]}
        assert mounted == ASK_THE_API_SERVER & dict(pods(overlay)).keys()

    def test_every_pod_is_met_by_the_policy_that_denies_all(self, overlay: str) -> None:
        (deny,) = (each for each in of_kind(overlay, "NetworkPolicy") if each["metadata"]["name"] == "deny")
        assert deny["spec"] == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}

    def test_policies_name_pods_and_ports_that_exist(self, overlay: str) -> None:
        templates = {pod["metadata"]["labels"]["app.kubernetes.io/name"]: pod for _, pod in pods(overlay)}
        for policy in of_kind(overlay, "NetworkPolicy"):
            if not (labels := policy["spec"]["podSelector"].get("matchLabels")):
                continue
            pod = templates[labels["app.kubernetes.io/name"]]
            ports = [port["port"] for rule in policy["spec"].get("ingress", []) for port in rule["ports"]]
            names = {one["name"] for each in pod["spec"]["containers"] for one in each.get("ports", [])}
            assert set(ports) <= names, policy["metadata"]["name"]


def test_everywhere_is_the_choice_of_the_local_overlay_only() -> None:
    """In production Colorlane runs in the namespaces that bound it, see kustomize/project."""
    everywhere = {"ClusterRoleBinding": {"workloads", "console", "namespaces"}}
    for overlay in ("staging", "production"):
        found = {name_of(each) for each in of_kind(overlay, *everywhere)}
        assert not found & everywhere["ClusterRoleBinding"]


def test_a_project_s_namespace_binds_roles_that_the_base_has() -> None:
    there = {role["metadata"]["name"] for role in roles("production")}
    project = built(ROOT / "kustomize/project")
    assert {each["kind"] for each in project} == {"RoleBinding"}
    assert {each["roleRef"]["name"] for each in project} == {"colorlane-workloads", "colorlane-console"} <= there


def test_every_component_is_in_some_overlay_or_said_to_be_a_choice() -> None:
    chosen = {"builds", "shell"}  # docs/kubernetes.md
    all_of_them = {path.name for path in (ROOT / "kustomize/components").iterdir()}
    text = "".join((ROOT / "kustomize/overlays" / each / "kustomization.yaml").read_text() for each in OVERLAYS)
    assert {name for name in all_of_them if f"components/{name}\n" not in text} == chosen
    assert all(rendered(overlay) for overlay in OVERLAYS)
