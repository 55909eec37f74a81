"""The MutatingWebhookConfiguration: which pods the API server asks about, and what happens when nobody answers. Pure.

- A pod labelled `colorlane.dev/inject: "true"` must have its sidecar: without an answer it is not made (`Fail`), and
  its controller tries again. Delivery's own workloads carry the label, so none of them ever serves outside of the mesh.
- A pod of a namespace labelled `colorlane.dev/inject: enabled` is made without a sidecar if nobody answers (`Ignore`):
  such a namespace holds pods that nobody deploys through Colorlane, and a mesh that is down must not keep them from
  being scaled or moved. The mesh's registry tells which pods lack their sidecar.
- The cluster's own namespaces and Colorlane's are never asked about, so a dead mesh can always be started again.
(docs/decisions/0061-failure-policy.md)
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from mesh.injection.decision import CLUSTER_NAMESPACES, REVISION
from mesh.model.pods import GROUP, INJECT

NAME = "colorlane-sidecar"
PORT = 15017
PATH = "/inject"
FAIL_SECONDS, IGNORE_SECONDS = 5, 3
NAMESPACE_NAME = "kubernetes.io/metadata.name"  # set by the API server on each namespace

Json = dict[str, Any]


@dataclass(frozen=True)
class Endpoint:
    """Where the API server finds the webhook: a Service, or a URL (mesh outside of the cluster, tests)."""

    namespace: str = "colorlane"
    service: str = "colorlane-mesh"
    port: int = PORT
    url: str = ""

    def client_config(self, bundle: bytes) -> Json:
        """Return `clientConfig`; without a bundle the mesh fills it in when it starts."""
        ca = {"caBundle": base64.b64encode(bundle).decode()} if bundle else {}
        if self.url:
            return {"url": self.url, **ca}
        service = {"namespace": self.namespace, "name": self.service, "port": self.port, "path": PATH}
        return {"service": service, **ca}


def webhook_configuration(
    endpoint: Endpoint,
    *,
    revision: str = "",
    name: str = NAME,
    bundle: bytes = b"",
    only_namespaces: Sequence[str] = (),
) -> Json:
    """Return the object. `revision`: only pods and namespaces of it; "" those that name none.

    `only_namespaces`: nothing outside of them, ever; empty: everywhere but the cluster's and Colorlane's.
    """
    where = _where(endpoint.namespace, only_namespaces)
    entries = []
    for mark, pod_rule, namespace_rule in _revisions(revision):
        of_pod = [_is(INJECT, "true"), pod_rule]
        entries.append(_entry(f"pod{mark}", endpoint, bundle, [*where, *namespace_rule], of_pod, "Fail", FAIL_SECONDS))
    for mark, pod_rule, namespace_rule in _revisions(revision):
        of_namespace = [*where, _is(INJECT, "enabled"), *namespace_rule]
        silent = [_not(INJECT, "true", "false"), pod_rule]
        entries.append(_entry(f"namespace{mark}", endpoint, bundle, of_namespace, silent, "Ignore", IGNORE_SECONDS))
    return {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "MutatingWebhookConfiguration",
        "metadata": {
            "name": name if not revision else f"{name}-{revision}",
            "labels": {"app.kubernetes.io/part-of": "colorlane"},
        },
        "webhooks": entries,
    }


def _revisions(revision: str) -> list[tuple[str, Json, list[Json]]]:
    """Return (suffix of the entry's name, rule for the pod, rules for its namespace): the pod's word goes first."""
    silent = {"key": REVISION, "operator": "DoesNotExist"}
    if not revision:
        return [("", silent, [silent])]
    return [("", _is(REVISION, revision), []), ("-of-namespace", silent, [_is(REVISION, revision)])]


def _where(own_namespace: str, only: Sequence[str]) -> list[Json]:
    spared = sorted({*CLUSTER_NAMESPACES, own_namespace})
    return [_not(NAMESPACE_NAME, *spared), *([_is(NAMESPACE_NAME, *only)] if only else [])]


def _entry(
    word: str,
    endpoint: Endpoint,
    bundle: bytes,
    namespaces: list[Json],
    pods: list[Json],
    policy: str,
    seconds: int,
) -> Json:
    return {
        "name": f"{word}.sidecar.{GROUP}",
        "clientConfig": endpoint.client_config(bundle),
        "rules": [
            {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}
            | {"scope": "Namespaced"}
        ],
        "namespaceSelector": {"matchExpressions": namespaces},
        "objectSelector": {"matchExpressions": pods},
        "failurePolicy": policy,
        "timeoutSeconds": seconds,
        "admissionReviewVersions": ["v1"],
        "matchPolicy": "Equivalent",
        "reinvocationPolicy": "IfNeeded",  # another webhook may add a container after us
        "sideEffects": "None",
    }


def _is(key: str, *values: str) -> Json:
    return {"key": key, "operator": "In", "values": list(values)}


def _not(key: str, *values: str) -> Json:
    return {"key": key, "operator": "NotIn", "values": list(values)}
