"""Pods that are left alone, and why."""

from __future__ import annotations

from typing import Any

import pytest

from mesh.injection import Options, judge
from mesh.model.pods import INJECT

OPTIONS = Options(image="i", ca_pem="c", revision="blue")


def pod(labels: dict[str, str] | None = None, annotations: dict[str, str] | None = None, **spec: Any) -> dict[str, Any]:
    return {"metadata": {"labels": labels, "annotations": annotations}, "spec": spec}


@pytest.mark.parametrize(
    ("given", "namespace", "words"),
    [
        (pod({INJECT: "false"}), "shop", "says colorlane.dev/inject: false"),
        (pod(None, {INJECT: "false"}), "shop", "says colorlane.dev/inject: false"),
        (pod(hostNetwork=True), "shop", "hostNetwork"),
        (pod(), "kube-system", "cluster's own"),
        (pod(), "colorlane", "Colorlane's own"),
        (pod({"app.kubernetes.io/part-of": "colorlane"}), "x", "Colorlane's own"),
        (pod(os={"name": "windows"}), "shop", "Windows"),
        (pod(None, {"kubernetes.io/config.mirror": "x"}), "shop", "static"),
        (pod({"colorlane.dev/revision": "green"}), "shop", "revision 'green'"),
    ],
)
def test_left_alone_with_the_reason(given: dict[str, Any], namespace: str, words: str) -> None:
    verdict = judge(given, namespace, OPTIONS)
    assert not verdict.inject
    assert words in verdict.reason


def test_injected_and_whether_it_asked() -> None:
    assert judge(pod(), "shop", OPTIONS).inject
    assert not judge(pod(), "shop", OPTIONS).asked
    asked = judge(pod({INJECT: "true", "colorlane.dev/revision": "blue"}), "shop", OPTIONS)
    assert asked.inject
    assert asked.asked
    assert judge(pod({INJECT: "true"}, hostNetwork=True), "shop", OPTIONS).asked
    assert judge({}, "shop", OPTIONS).inject
