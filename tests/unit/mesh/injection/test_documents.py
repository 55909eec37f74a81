"""Files: all kinds with pods, every other document byte for byte, and YAML that Kubernetes reads as it was meant."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from mesh.errors import Rejected
from mesh.injection import Options, inject_object, inject_text

OPTIONS = Options(image="colorlane:1", ca_pem="roots\n")
POD = {"metadata": {"labels": {"app": "reviews"}}, "spec": {"containers": [{"name": "app", "image": "x"}]}}
PATHS = {
    "Pod": "",
    "PodTemplate": "template",
    "Deployment": "spec.template",
    "StatefulSet": "spec.template",
    "DaemonSet": "spec.template",
    "ReplicaSet": "spec.template",
    "ReplicationController": "spec.template",
    "Job": "spec.template",
    "CronJob": "spec.jobTemplate.spec.template",
}


def at(thing: dict[str, Any], path: str) -> dict[str, Any]:
    for part in filter(None, path.split(".")):
        thing = thing[part]
    return thing


def workload(kind: str) -> dict[str, Any]:
    inner: dict[str, Any] = POD
    for part in reversed(list(filter(None, PATHS[kind].split(".")))):
        inner = {part: inner}
    return {"apiVersion": "v1", "kind": kind, **inner, "metadata": {**POD["metadata"], "name": "reviews"}}


@pytest.mark.parametrize("kind", PATHS)
def test_each_kind_with_pods_is_injected(kind: str) -> None:
    injected, (finding,) = inject_object(workload(kind), OPTIONS, namespace="shop")
    assert finding.what == f"{kind} shop/reviews"
    assert finding.verdict.inject
    assert [each["name"] for each in at(injected, PATHS[kind])["spec"]["initContainers"]] == [
        "colorlane-capture",
        "colorlane-proxy",
    ]


def test_lists_and_what_has_no_pods() -> None:
    service = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "a"}}
    thing = {"apiVersion": "v1", "kind": "List", "items": [service, workload("Job"), workload("Pod")]}
    injected, findings = inject_object(thing, OPTIONS)
    assert injected["items"][0] is service
    assert [finding.what for finding in findings] == ["Job reviews", "Pod reviews"]
    assert inject_object(None, OPTIONS) == (None, [])
    assert inject_object({"kind": "Deployment", "metadata": {}}, OPTIONS)[1] == []


FILE = """\
# a comment that stays
apiVersion: v1
kind: ConfigMap
metadata: {name: a}   # as odd as   it is
data: {when: 2026-01-01, mode: "0644"}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: reviews, namespace: shop}
spec:
  template:
    metadata: {labels: {app: reviews}, annotations: {day: 2026-01-01, on: "on", exp: "1e3", oct: "0o17", hex: "0x1F"}}
    spec:
      containers: [{name: app, image: x, args: ["yes", "1_000", "12:30:45", "~", "a\\nb", ".5", "+1", "1.0.0"]}]
---
# only a comment
---
kind: Pod
metadata: {name: host, namespace: shop}
spec: {hostNetwork: true, containers: []}
"""


def test_other_documents_stay_byte_for_byte() -> None:
    text, findings = inject_text(FILE, OPTIONS)
    assert text.startswith(FILE[: FILE.index("---\n") + 4])
    assert text.endswith(FILE[FILE.index("---\n# only") :])
    assert [(finding.what, finding.verdict.inject) for finding in findings] == [
        ("Deployment shop/reviews", True),
        ("Pod shop/host", False),
    ]
    again, _ = inject_text(text, OPTIONS)
    assert again == text


def test_strings_stay_strings_for_every_parser() -> None:
    text, _ = inject_text(FILE, OPTIONS)
    for word in ("yes", "1_000", "12:30:45", "~", ".5", "+1", "1e3", "0o17", "0x1F", "on", "2026-01-01"):
        assert f'"{word}"' in text
    template = list(yaml.safe_load_all(text))[1]["spec"]["template"]
    assert template["metadata"]["annotations"]["exp"] == "1e3"
    assert template["spec"]["containers"][0]["args"][4] == "a\nb"


def test_a_last_line_without_an_end_and_windows_separators() -> None:
    text = "kind: Pod\nmetadata: {name: a}\nspec: {containers: []}\n---   \nkind: Service"
    injected, _ = inject_text(text, OPTIONS)
    assert injected.endswith("---   \nkind: Service\n")
    assert inject_text("", OPTIONS) == ("", [])


def test_what_is_no_yaml_and_what_cannot_be_injected_is_named() -> None:
    with pytest.raises(Rejected, match="not YAML"):
        inject_text("a: [", OPTIONS)
    bad = FILE.replace("day: 2026-01-01", "colorlane.dev/capture: maybe")
    with pytest.raises(Rejected, match=r"Deployment shop/reviews: annotation colorlane\.dev/capture"):
        inject_text(bad, OPTIONS)
