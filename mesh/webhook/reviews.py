"""Reviews: an AdmissionReview (admission.k8s.io/v1) in, the same with the answer out. Pure; neighbour: server."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mesh.errors import Rejected
from mesh.injection import Options, difference, inject, judge

API_VERSION = "admission.k8s.io/v1"
UNPROCESSABLE = 422


@dataclass(frozen=True)
class Outcome:
    """What was done for whom: `result` is injected, left or refused; `reason` says why not."""

    result: str
    pod: str
    namespace: str
    by: str
    reason: str = ""


def review(body: Mapping[str, Any], options: Options) -> tuple[dict[str, Any], Outcome]:
    """Answer one review. Raises Rejected for a body that is no review."""
    request = body.get("request")
    if body.get("apiVersion") != API_VERSION or not isinstance(request, Mapping) or not request.get("uid"):
        raise Rejected(
            "the body is no AdmissionReview of admission.k8s.io/v1",
            field="apiVersion",
            value=body.get("apiVersion"),
            remedy="list v1 first in admissionReviewVersions",
        )
    answer, result, reason = _answer(request, options)
    response = {"uid": request["uid"], "allowed": result != "refused", **answer}
    return {"apiVersion": API_VERSION, "kind": "AdmissionReview", "response": response}, _outcome(
        request, result, reason
    )


def _answer(request: Mapping[str, Any], options: Options) -> tuple[dict[str, Any], str, str]:
    pod = request.get("object")
    if not isinstance(pod, Mapping) or (request.get("kind") or {}).get("kind") != "Pod":
        return {}, "left", "not a new pod"
    verdict = judge(pod, str(request.get("namespace", "")), options)
    if not verdict.inject:
        # Who asked for a sidecar is told by the client that creates the pod (kubectl prints warnings).
        said = {"warnings": [f"colorlane: no sidecar: {verdict.reason}"]} if verdict.asked else {}
        return said, "left", verdict.reason
    try:
        operations = difference(pod, inject(pod, options))
    except Rejected as error:
        message = f"colorlane cannot inject a sidecar: {error.message}"
        if error.remedy and error.remedy not in message:
            message = f"{message}; {error.remedy}"
        return {"status": {"code": UNPROCESSABLE, "reason": "Invalid", "message": message}}, "refused", error.message
    return _patch(operations), "injected", ""


def _patch(operations: list[dict[str, Any]]) -> dict[str, Any]:
    if not operations:
        return {}
    text = json.dumps(operations, separators=(",", ":")).encode()
    return {"patchType": "JSONPatch", "patch": base64.b64encode(text).decode()}


def _outcome(request: Mapping[str, Any], result: str, reason: str) -> Outcome:
    metadata = (request.get("object") or {}).get("metadata") or {}
    name = request.get("name") or metadata.get("name") or f"{metadata.get('generateName', '')}*"
    by = str((request.get("userInfo") or {}).get("username", ""))
    return Outcome(result, str(name), str(request.get("namespace", "")), by, reason)
