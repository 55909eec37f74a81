"""Answers to reviews: a patch that makes the injected pod, words for who is left alone, refusals with the remedy."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from mesh.errors import Rejected
from mesh.injection import Options, inject
from mesh.model.pods import CAPTURE, INJECT
from mesh.webhook import review
from tests.fakes.admission import review_of
from tests.fakes.json_patch import patched

OPTIONS = Options(image="colorlane:1", ca_pem="roots\n")


def pod(label: str = "true", **spec: Any) -> dict[str, Any]:
    metadata = {"generateName": "reviews-7f-", "labels": {INJECT: label, "app": "reviews"}}
    return {"metadata": metadata, "spec": {"containers": [{"name": "app"}], **spec}}


def test_the_patch_makes_the_injected_pod() -> None:
    answer, outcome = review(review_of(pod()), OPTIONS)
    response = answer["response"]
    assert (response["uid"], response["allowed"], response["patchType"]) == ("705ab4f5", True, "JSONPatch")
    operations = json.loads(base64.b64decode(response["patch"]))
    assert patched(pod(), operations) == inject(pod(), OPTIONS)
    assert vars(outcome) == {
        "result": "injected",
        "pod": "reviews-7f-*",
        "namespace": "shop",
        "by": "system:serviceaccount:kube-system:replicaset-controller",
        "reason": "",
    }


def test_asked_again_it_changes_nothing() -> None:
    answer, _ = review(review_of(inject(pod(), OPTIONS)), OPTIONS)
    assert "patch" not in answer["response"]
    assert answer["response"]["allowed"]


def test_who_asked_and_is_left_alone_is_warned() -> None:
    answer, outcome = review(review_of(pod(hostNetwork=True)), OPTIONS)
    assert answer["response"]["allowed"]
    assert "patch" not in answer["response"]
    assert "hostNetwork" in answer["response"]["warnings"][0]
    assert outcome.result == "left"
    silent, _ = review(review_of(pod("false")), OPTIONS)
    assert "warnings" not in silent["response"]


def test_what_cannot_work_is_refused_in_words() -> None:
    wrong = pod()
    wrong["metadata"]["annotations"] = {CAPTURE: "maybe"}
    answer, outcome = review(review_of(wrong), OPTIONS)
    assert not answer["response"]["allowed"]
    assert answer["response"]["status"]["code"] == 422
    assert "'maybe' is not usable; write transparent or proxy" in answer["response"]["status"]["message"]
    assert outcome.result == "refused"


def test_others_than_new_pods_pass() -> None:
    for request in ({"object": None}, {"kind": {"kind": "Service"}}):
        answer, _ = review(review_of(pod(), **request), OPTIONS)
        assert answer["response"] == {"uid": "705ab4f5", "allowed": True}


@pytest.mark.parametrize("body", [{}, {"apiVersion": "admission.k8s.io/v1beta1", "request": {"uid": "a"}}])
def test_what_is_no_review_is_rejected(body: dict[str, Any]) -> None:
    with pytest.raises(Rejected, match="no AdmissionReview"):
        review(body, OPTIONS)
