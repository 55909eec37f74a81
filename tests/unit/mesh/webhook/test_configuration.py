"""Which pods are asked about: by their labels and their namespace's, once each, and never the cluster's own."""

from __future__ import annotations

from typing import Any

import pytest

from mesh.webhook import Endpoint, webhook_configuration


def matches(rules: list[dict[str, Any]], labels: dict[str, str]) -> bool:
    """What Kubernetes does with matchExpressions."""
    tests = {
        "In": lambda rule: labels.get(rule["key"]) in rule["values"],
        "NotIn": lambda rule: labels.get(rule["key"]) not in rule["values"],
        "DoesNotExist": lambda rule: rule["key"] not in labels,
    }
    return all(tests[rule["operator"]](rule) for rule in rules)


def asked(revision: str, namespace: dict[str, str], pod: dict[str, str], space: str = "shop") -> list[str]:
    """Return the failure policies of the entries that match."""
    namespace = {"kubernetes.io/metadata.name": space} | {f"colorlane.dev/{k}": v for k, v in namespace.items()}
    pod = {f"colorlane.dev/{k}": v for k, v in pod.items()}
    return [
        entry["failurePolicy"]
        for entry in webhook_configuration(Endpoint(), revision=revision)["webhooks"]
        if matches(entry["namespaceSelector"]["matchExpressions"], namespace)
        and matches(entry["objectSelector"]["matchExpressions"], pod)
    ]


@pytest.mark.parametrize(
    ("revision", "namespace", "pod", "policies"),
    [
        ("", {}, {}, []),
        ("", {}, {"inject": "true"}, ["Fail"]),
        ("", {"inject": "enabled"}, {}, ["Ignore"]),
        ("", {"inject": "enabled"}, {"inject": "true"}, ["Fail"]),
        ("", {"inject": "enabled"}, {"inject": "false"}, []),
        ("", {}, {"inject": "true", "revision": "green"}, []),
        ("", {"revision": "green"}, {"inject": "true"}, []),
        ("green", {}, {"inject": "true"}, []),
        ("green", {}, {"inject": "true", "revision": "green"}, ["Fail"]),
        ("green", {"revision": "green"}, {"inject": "true"}, ["Fail"]),
        ("green", {"revision": "green"}, {"inject": "true", "revision": "green"}, ["Fail"]),
        ("green", {"revision": "green"}, {"inject": "true", "revision": "blue"}, []),
        ("green", {"revision": "green", "inject": "enabled"}, {}, ["Ignore"]),
        ("green", {"inject": "enabled"}, {"revision": "green"}, ["Ignore"]),
        ("green", {"inject": "enabled"}, {}, []),
    ],
)
def test_each_pod_is_asked_about_by_one_entry_at_most(
    revision: str, namespace: dict[str, str], pod: dict[str, str], policies: list[str]
) -> None:
    assert asked(revision, namespace, pod) == policies


@pytest.mark.parametrize("space", ["kube-system", "kube-public", "kube-node-lease", "colorlane"])
def test_a_dead_mesh_blocks_neither_the_cluster_nor_itself(space: str) -> None:
    assert asked("", {"inject": "enabled"}, {"inject": "true"}, space) == []


def test_entries_say_what_the_api_server_needs() -> None:
    found = webhook_configuration(Endpoint(), bundle=b"roots")
    assert found["metadata"]["name"] == "colorlane-sidecar"
    for entry in found["webhooks"]:
        assert entry["sideEffects"] == "None"
        assert entry["timeoutSeconds"] <= 5
        assert entry["clientConfig"]["service"] == {
            "namespace": "colorlane",
            "name": "colorlane-mesh",
            "port": 15017,
            "path": "/inject",
        }
        assert entry["clientConfig"]["caBundle"] == "cm9vdHM="
    elsewhere = webhook_configuration(Endpoint(url="https://127.0.0.1:1/inject"), only_namespaces=["a"], revision="r")
    assert elsewhere["metadata"]["name"] == "colorlane-sidecar-r"
    assert elsewhere["webhooks"][0]["clientConfig"] == {"url": "https://127.0.0.1:1/inject"}
    assert {"key": "kubernetes.io/metadata.name", "operator": "In", "values": ["a"]} in elsewhere["webhooks"][0][
        "namespaceSelector"
    ]["matchExpressions"]
    assert len({entry["name"] for entry in elsewhere["webhooks"]}) == 4
