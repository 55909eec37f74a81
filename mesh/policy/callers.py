"""Callers: who a token says that a proxy is, and which node ids fit that. Pure; neighbours: doors, tokens_kubernetes.

A sidecar's node id ends with the name of its pod and begins with the mesh's namespace (model.pods.endpoint_id). Pods
may be recreated and labels changed by whoever may make pods in a namespace; the namespace itself may not. So a pod
speaks for its own name only, and for the projects that live in its Kubernetes namespace.
"""

from __future__ import annotations

from dataclasses import dataclass

from mesh.errors import Forbidden

GATEWAY_PREFIX = "gateway/"
GATEWAY_ACCOUNT = "colorlane-gateway"
_PARTS = 5  # of a sidecar's node id


@dataclass(frozen=True)
class Caller:
    """A pod as its ServiceAccount token names it; `pod` is "" for a token that is bound to none."""

    namespace: str
    account: str
    pod: str = ""


@dataclass(frozen=True)
class Places:
    """Where things live: Colorlane's own Kubernetes namespace, and those of projects as a template of `{project}`
    (the setting COLORLANE_KUBERNETES_NAMESPACE).

    `own_previews`: colours have namespaces of their own (COLORLANE_PREVIEW_NAMESPACES). Project `shop-a` then shares
    the name of its namespace with colour `a` of project `shop`; else nobody does.
    """

    own: str = "colorlane"
    projects: str = "{project}"
    own_previews: bool = False

    def holds(self, project: str, color: str, kubernetes_namespace: str) -> bool:
        """Whether a project's pods of a colour may live there: in its namespace, or a preview's own one."""
        home = self.projects.replace("{project}", project)
        if self.own_previews and color not in ("", "-") and kubernetes_namespace == f"{home}-{color}":
            return True
        return kubernetes_namespace in (project, home)


def check_node(caller: Caller, node: str, places: Places) -> None:
    """Raise Forbidden where the caller is not the proxy that it says it is."""
    why = _gateway(caller, places) if node.startswith(GATEWAY_PREFIX) else _sidecar(caller, node, places)
    if why:
        raise Forbidden(
            f"{why}, and says it is proxy {node!r}",
            field="node.id",
            value=node,
            remedy="a proxy must use its own pod's ServiceAccount token; a pod serves projects of its own namespace",
        )


def _gateway(caller: Caller, places: Places) -> str:
    if (caller.namespace, caller.account) == (places.own, GATEWAY_ACCOUNT):
        return ""
    return f"the caller is ServiceAccount {caller.namespace}/{caller.account}, not {places.own}/{GATEWAY_ACCOUNT}"


def _sidecar(caller: Caller, node: str, places: Places) -> str:
    parts = node.split("/")
    if len(parts) != _PARTS:
        return f"the caller is pod {caller.namespace}/{caller.pod}"
    project, _, color, _, pod = parts
    if not caller.pod:
        return f"the token of ServiceAccount {caller.namespace}/{caller.account} is bound to no pod"
    if pod != caller.pod or not places.holds(project, color, caller.namespace):
        return f"the caller is pod {caller.pod} of Kubernetes namespace {caller.namespace}"
    return ""
