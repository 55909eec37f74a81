"""Pods: names and numbers by which Colorlane's parts know each other on Kubernetes. Pure; neighbours: nouns.

Written by injection and by delivery's Kubernetes platform, read by the registry and by translation. Numbers from 15000
to 15199 belong to the sidecar; Istio's where it has one, so that people recognise them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from mesh.model.nouns import written

GROUP: Final = "colorlane.dev"
PROJECT: Final = f"{GROUP}/project"  # label: the mesh's namespace, where it is not the Kubernetes namespace
SERVICE: Final = f"{GROUP}/service"
COLOR: Final = f"{GROUP}/color"  # label; empty for the baseline
VERSION: Final = f"{GROUP}/version"
GENERATION: Final = f"{GROUP}/generation"  # annotation of workloads: the fence against older runs
INJECT: Final = f"{GROUP}/inject"  # label of namespaces ("enabled") and pods ("true", "false")
CAPTURE: Final = f"{GROUP}/capture"  # annotation of pods: "transparent" (packets are redirected) or "proxy"

STATUS: Final = f"{GROUP}/status"  # annotation of pods: "injected"
SIDECAR_CONTAINER: Final = "colorlane-proxy"

REGISTRY_NODE: Final = "kubernetes/"  # and the Kubernetes namespace: who registers its endpoints; no node is called so
UNVERSIONED: Final = "default"  # version of a pod that carries no label of ours

ADMIN_PORT: Final = 15000  # loopback of the pod
CAPTURED_OUTBOUND_PORT: Final = 15001
CAPTURED_INBOUND_PORT: Final = 15006
HEALTH_PORT: Final = 15021  # GET /healthz/ready: the sidecar has its configuration
DNS_PORT: Final = 15053
PROXY_PORT: Final = 15080  # explicit HTTP proxy (HTTP_PROXY), loopback
FIRST_INBOUND_PORT: Final = 15100  # one a Service port, where other proxies come in
LAST_INBOUND_PORT: Final = 15199
VIRTUAL_IPV4: Final = "240.240.0.0/16"  # addresses that look-ups of the mesh's names are answered with; none is real
VIRTUAL_IPV6: Final = "2001:2::/48"
PROXY_UID: Final = 10101  # the sidecar's user: its own packets are never captured


def endpoint_id(namespace: str, service: str, color: str, version: str, pod: str) -> str:
    """Return the mesh's name of a pod's replica: its endpoint's id, and the node id of its Envoy."""
    return f"{namespace}/{service}/{written(color)}/{version}/{pod}"


@dataclass(frozen=True)
class PodIdentity:
    """Who a pod says it is, in words of the mesh; the first four parts of its endpoint's id."""

    namespace: str
    service: str
    color: str
    version: str

    def endpoint_id(self, pod: str) -> str:
        """Return the id of the pod of this name."""
        return endpoint_id(self.namespace, self.service, self.color, self.version, pod)


def pod_identity(kubernetes_namespace: str, labels: Mapping[str, str]) -> PodIdentity:
    """Return what a pod's own labels say, so that injection and registry give one pod one id.

    Injection does not know which Services will select a pod: where our label does not name one, the id has the
    customary name of the application in its place. (The registry then takes the endpoint's service from Services.)
    """
    customary = (labels.get(key) for key in (SERVICE, "app.kubernetes.io/name", "app"))
    return PodIdentity(
        namespace=labels.get(PROJECT) or kubernetes_namespace,
        service=next((name for name in customary if name), "pod"),
        color=labels.get(COLOR, ""),
        version=labels.get(VERSION) or UNVERSIONED,
    )


def inbound_ports(service_ports: Iterable[int]) -> Mapping[int, int]:
    """Return Service port -> the port its sidecar listens on, the same wherever it is worked out.

    Raises ValueError for a Service with more ports than there are numbers.
    """
    numbers = sorted(set(service_ports))
    if len(numbers) > LAST_INBOUND_PORT - FIRST_INBOUND_PORT + 1:
        raise ValueError(f"{len(numbers)} ports; a sidecar has room for {LAST_INBOUND_PORT - FIRST_INBOUND_PORT + 1}")
    return {number: FIRST_INBOUND_PORT + index for index, number in enumerate(numbers)}
