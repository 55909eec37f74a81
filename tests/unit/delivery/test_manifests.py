"""Rendered manifests: what belongs to a service, and what the lint finds."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from delivery.errors import Rejected
from delivery.manifests import split_manifests

IMAGES = {"reviews": "colorlane.local/shop/reviews@sha256:" + "a" * 64}

GOOD = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: reviews}
spec:
  selector: {matchLabels: {app: reviews}}
  template:
    metadata: {labels: {app: reviews, tier: web}}
    spec:
      containers:
        - name: app
          image: IMAGE
          ports: [{name: http, containerPort: 9080}]
          envFrom: [{configMapRef: {name: settings-x1}}]
          env: [{name: KEY, valueFrom: {secretKeyRef: {name: keys, key: k}}}]
      volumes: [{name: v, projected: {sources: [{configMap: {name: files}}]}}]
---
apiVersion: v1
kind: Service
metadata: {name: reviews}
spec: {selector: {app: reviews}, ports: [{port: 80, targetPort: http}]}
---
{apiVersion: v1, kind: ConfigMap, metadata: {name: settings-x1}, data: {a: b}}
---
{apiVersion: v1, kind: ConfigMap, metadata: {name: files}, data: {a: b}}
---
{apiVersion: v1, kind: ConfigMap, metadata: {name: of-others}, data: {a: b}}
---
{apiVersion: v1, kind: Secret, metadata: {name: keys}, data: {k: eA==}}
---
{apiVersion: policy/v1, kind: PodDisruptionBudget, metadata: {name: others}, spec: {}}
"""

ON_KUBERNETES = """
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata: {name: reviews}
spec: {minAvailable: 1, selector: {matchLabels: {app: reviews}}}
---
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {name: scaler}
spec: {minReplicas: 2, maxReplicas: 4, scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: reviews}}
---
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {name: of-others}
spec: {maxReplicas: 4, scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: ratings}}
---
{apiVersion: v1, kind: ServiceAccount, metadata: {name: reader}}
"""


def good() -> list[dict[str, Any]]:
    return list(yaml.safe_load_all(GOOD.replace("IMAGE", IMAGES["reviews"])))


def of(objects: list[dict[str, Any]], kind: str) -> dict[str, Any]:
    return next(item for item in objects if item["kind"] == kind)


def problems(objects: list[dict[str, Any]], images: dict[str, str] = IMAGES) -> list[str]:
    with pytest.raises(Rejected) as caught:
        split_manifests(objects, images)
    assert caught.value.remedy
    return caught.value.message.splitlines()


def only_problem(objects: list[dict[str, Any]]) -> str:
    found = problems(objects)
    assert len(found) == 1, found
    return found[0]


def test_a_service_gets_its_deployment_services_and_data() -> None:
    found = split_manifests(good(), IMAGES)
    kinds = [(item["kind"], item["metadata"]["name"]) for item in found.by_service["reviews"]]
    assert kinds == [
        ("Deployment", "reviews"),
        ("Service", "reviews"),
        ("ConfigMap", "files"),
        ("ConfigMap", "settings-x1"),
        ("Secret", "keys"),
    ]
    assert found.warnings == ()


def test_the_order_of_the_input_does_not_matter() -> None:
    forward, backward = split_manifests(good(), IMAGES), split_manifests(good()[::-1], IMAGES)
    assert json.dumps(forward.by_service) == json.dumps(backward.by_service)


def test_a_service_that_selects_nothing() -> None:
    objects = good()
    of(objects, "Service")["spec"]["selector"] = {"app": "review"}
    problem = only_problem(objects)
    assert problem.startswith(
        "Service/reviews: selects nothing: spec.selector is app=review, pods have reviews: app=reviews"
    )


def test_a_service_over_two_workloads() -> None:
    objects = good()
    other = copy.deepcopy(of(objects, "Deployment"))
    other["metadata"]["name"] = "reviews-v2"
    assert "several workloads: reviews, reviews-v2" in only_problem([*objects, other])


def test_no_deployment_and_two_of_one_name() -> None:
    assert (
        problems([])[0] == "service reviews: no Deployment is named reviews (there are: none). Name it like the service"
    )
    objects = good()
    assert any("2 Deployments have its name" in line for line in problems([*objects, of(objects, "Deployment")]))


def test_an_image_that_was_not_replaced() -> None:
    objects = good()
    of(objects, "Deployment")["spec"]["template"]["spec"]["containers"][0]["image"] = "registry/reviews:1"
    assert "(images: registry/reviews:1). Write `image: reviews`" in only_problem(objects)


def test_a_deployment_that_does_not_select_its_own_pods() -> None:
    objects = good()
    of(objects, "Deployment")["spec"]["selector"]["matchLabels"] = {"app": "x"}
    assert "spec.selector.matchLabels (app=x) does not select its own pods" in only_problem(objects)


@pytest.mark.parametrize(("target", "words"), [("https", "https is no port of reviews (ports: http)"), ("", "no port")])
def test_a_target_port_that_resolves_to_nothing(target: str, words: str) -> None:
    objects = good()
    of(objects, "Service")["spec"]["ports"][0]["targetPort"] = target
    assert words in only_problem(objects)


@pytest.mark.parametrize("target", [9080, 9999, "http", "9080"])
def test_target_ports_that_are_fine(target: object) -> None:
    objects = good()
    of(objects, "Service")["spec"]["ports"][0]["targetPort"] = target
    split_manifests(objects, IMAGES)


def test_all_problems_are_told_at_once() -> None:
    objects = good()
    of(objects, "Service")["spec"]["ports"] = []
    found = problems(objects, IMAGES | {"ratings": "x", "details": "y"})
    assert len(found) == 3
    assert found[0] == "Service/reviews: spec.ports is empty. Give the port on which others call it"


def test_what_scales_and_guards_a_service_travels_with_it() -> None:
    objects = [*good(), *yaml.safe_load_all(ON_KUBERNETES)]
    of(objects, "Deployment")["spec"]["template"]["spec"]["serviceAccountName"] = "reader"
    found = split_manifests(objects, IMAGES)
    assert [(item["kind"], item["metadata"]["name"]) for item in found.by_service["reviews"]][-3:] == [
        ("ServiceAccount", "reader"),
        ("HorizontalPodAutoscaler", "scaler"),
        ("PodDisruptionBudget", "reviews"),
    ]
    assert found.warnings == ()


def test_warnings() -> None:
    objects = [item for item in good() if item["kind"] not in {"Secret", "Service"}]
    objects.append({"kind": "CronJob", "metadata": {"name": "nightly"}})
    objects.append({"kind": "Service", "metadata": {"name": "database"}, "spec": {}})
    assert split_manifests(objects, IMAGES).warnings == (
        "CronJob/nightly: belongs to no service, so Colorlane does not deploy it",
        "Service/database: has no selector, so no service of this repository answers it",
        "Deployment/reviews: no Service selects it, so others cannot call it by name",
        "Deployment/reviews: refers to Secret keys, which is not among the manifests",
    )


WORDS = st.sampled_from(
    [
        "kind",
        "metadata",
        "name",
        "spec",
        "selector",
        "template",
        "labels",
        "matchLabels",
        "ports",
        "containers",
        "image",
        "reviews",
        "Deployment",
        "Service",
    ]
)
VALUES = st.recursive(
    st.one_of(WORDS, st.none(), st.integers(), st.booleans()),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(WORDS, inner, max_size=5)),
    max_leaves=20,
)


@given(st.lists(st.dictionaries(WORDS, VALUES, max_size=6), max_size=4))
def test_whatever_people_write_is_split_or_rejected(objects: list[dict[str, Any]]) -> None:
    try:
        found: object = split_manifests(objects, IMAGES)
    except Rejected as refused:
        found = refused.message
    assert found
