"""The table of who may do what in an installation of the production overlay; `test_install.py` asks the API server.

In namespace `bookshop` kustomize/project is applied, in `others` it is not.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import httpx

READ = ("get", "list", "watch")
WRITE = ("create", "patch", "delete")
ACCOUNTS = ("api", "controller", "gateway", "mesh", "postgres", "prometheus", "redis", "worker-build", "worker-control")


@dataclass(frozen=True)
class Ask:
    """May `account` do this? `what`: `resource[/sub][.group]`; `namespace` "": in the whole cluster."""

    account: str
    verb: str
    what: str
    expected: bool
    namespace: str = ""
    name: str = ""

    def __str__(self) -> str:
        where = self.namespace or "everywhere"
        return f"{self.account}-{'may' if self.expected else 'may not'}-{self.verb}-{self.what}-{self.name}-in-{where}"


def allowed(client: httpx.Client, ask: Ask) -> bool:
    """Ask the API server's own authorizer."""
    named, _, group = ask.what.partition(".")
    resource, _, sub = named.partition("/")
    attributes = {
        "verb": ask.verb, "group": group, "resource": resource, "subresource": sub,
        "namespace": ask.namespace, "name": ask.name,
    }  # fmt: skip
    user = f"system:serviceaccount:colorlane:colorlane-{ask.account}"
    groups = ["system:serviceaccounts", "system:serviceaccounts:colorlane", "system:authenticated"]
    body = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SubjectAccessReview",
        "spec": {"user": user, "groups": groups, "resourceAttributes": attributes},
    }
    answer = client.post("/apis/authorization.k8s.io/v1/subjectaccessreviews", json=body).raise_for_status()
    return bool(answer.json()["status"]["allowed"])


def production() -> list[Ask]:
    """Return the table."""
    return [*_nobody(), *_workers(), *_console(), *_mesh(), *_controller()]


def _nobody() -> Iterator[Ask]:
    for account in ACCOUNTS:
        yield Ask(account, "list", "secrets", False)
        yield Ask(account, "get", "secrets", False, "colorlane", "colorlane")
        yield Ask(account, "get", "secrets", False, "kube-system", "bootstrap-token")
        yield Ask(account, "create", "pods", False, "colorlane")
        yield Ask(account, "create", "pods/exec", False, "bookshop")
        yield Ask(account, "create", "clusterrolebindings.rbac.authorization.k8s.io", False)
        yield Ask(account, "create", "rolebindings.rbac.authorization.k8s.io", False, "bookshop")
        yield Ask(account, "impersonate", "users", False)
        yield Ask(account, "create", "serviceaccounts/token", False, "colorlane", "colorlane-worker-control")
    for account in ("gateway", "postgres", "redis", "worker-build"):
        yield Ask(account, "list", "pods", False, "colorlane")
    yield Ask("prometheus", "list", "pods", True, "colorlane")
    yield Ask("prometheus", "list", "pods", False, "bookshop")


def _workers() -> Iterator[Ask]:
    kinds = (
        "deployments.apps", "services", "configmaps", "secrets", "serviceaccounts", "networkpolicies.networking.k8s.io",
        "horizontalpodautoscalers.autoscaling", "poddisruptionbudgets.policy", "resourcequotas",
    )  # fmt: skip
    for kind in kinds:
        for verb in (*READ, *WRITE, "update"):
            yield Ask("worker-control", verb, kind, True, "bookshop")
        yield Ask("worker-control", "create", kind, False, "others")
        yield Ask("worker-control", "delete", kind, False, "kube-system")
    for kind in ("pods", "pods/log", "events", "replicasets.apps"):
        yield Ask("worker-control", "list", kind, True, "bookshop")
        yield Ask("worker-control", "list", kind, False, "others")
    yield Ask("worker-control", "list", "namespaces", True)
    yield Ask("worker-control", "create", "namespaces", False)
    yield Ask("worker-control", "create", "daemonsets.apps", False, "bookshop")
    yield Ask("worker-control", "create", "pods", False, "bookshop")


def _console() -> Iterator[Ask]:
    for kind in ("pods", "pods/log", "events", "deployments.apps", "replicasets.apps"):
        yield Ask("api", "get", kind, True, "bookshop")
        yield Ask("api", "get", kind, False, "others")
    yield Ask("api", "patch", "deployments.apps", True, "bookshop")
    yield Ask("api", "create", "deployments.apps", False, "bookshop")
    yield Ask("api", "delete", "deployments.apps", False, "bookshop")
    yield Ask("api", "delete", "pods", False, "bookshop")
    yield Ask("api", "get", "secrets", False, "bookshop", "orders")
    yield Ask("api", "get", "configmaps", False, "bookshop", "orders")


def _mesh() -> Iterator[Ask]:
    for kind in ("services", "pods", "nodes", "namespaces", "endpointslices.discovery.k8s.io"):
        for verb in READ:
            yield Ask("mesh", verb, kind, True)
        for verb in WRITE:
            yield Ask("mesh", verb, kind, False, "bookshop")
    for kind in ("gatewayclasses", "gateways", "httproutes"):
        yield Ask("mesh", "watch", f"{kind}.gateway.networking.k8s.io", True)
        yield Ask("mesh", "patch", f"{kind}/status.gateway.networking.k8s.io", True, "bookshop")
        yield Ask("mesh", "patch", f"{kind}.gateway.networking.k8s.io", False, "bookshop")
    yield Ask("mesh", "create", "tokenreviews.authentication.k8s.io", True)
    for verb in ("get", "update"):
        yield Ask("mesh", verb, "secrets", True, "colorlane", "colorlane-mesh-ca")
        yield Ask("mesh", verb, "secrets", False, "bookshop", "colorlane-mesh-ca")
    yield Ask("mesh", "create", "secrets", False, "colorlane")
    hooks = "mutatingwebhookconfigurations.admissionregistration.k8s.io"
    for verb in (*READ, "update"):
        yield Ask("mesh", verb, hooks, True, name="colorlane-sidecar")
        yield Ask("mesh", verb, hooks, False, name="somebody-else-s")
    yield Ask("mesh", "create", hooks, False)
    yield Ask("mesh", "delete", hooks, False, name="colorlane-sidecar")
    yield Ask("mesh", "get", "pods/log", False, "bookshop")


def _controller() -> Iterator[Ask]:
    for kind in ("rollouts.colorlane.dev", "environments.colorlane.dev"):
        for verb in (*READ, *WRITE):
            yield Ask("controller", verb, kind, True, "bookshop")
        yield Ask("controller", "patch", f"{kind.replace('.', '/status.', 1)}", True, "bookshop")
        yield Ask("api", "patch", kind, False, "bookshop")
    yield Ask("controller", "create", "events", True, "bookshop")
    yield Ask("controller", "list", "pods", False, "bookshop")
    yield Ask("controller", "create", "leases.coordination.k8s.io", False, "kube-system")
