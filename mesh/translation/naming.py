"""Names of xDS resources and runtime keys: one place, so that clusters, endpoints, routes and weights agree.

A member's cluster is `<service>.<namespace>|<port>|<color or ->|<version>`; a target that has others behind it adds
`|fallback`.
"""

from __future__ import annotations

from typing import Final

from mesh.model.lanes import Member, Target
from mesh.model.nouns import LaneKey, read_color, written

GATEWAY_LISTENER: Final = "gateway"
GATEWAY_ROUTES: Final = "gateway"
OUTBOUND_LISTENER: Final = "outbound"
PASSTHROUGH: Final = "passthrough"
TUNNEL: Final = "tunnel"
CAPTURED_OUTBOUND: Final = "captured-outbound"
CAPTURED_INBOUND: Final = "captured-inbound"
DNS_LISTENER: Final = "dns"
ORIGINAL: Final = "original"  # wherever the captured connection was going
NOWHERE: Final = "nowhere"
RUNTIME_LAYER: Final = "colorlane"  # as in the bootstrap that mesh.sidecar writes

FAILURE_HEADER: Final = "x-colorlane-failure"
"""Set by a sidecar on a response that its application did not make: `unreached` (the request was never sent to it, so
any method may be repeated) or `broken` (it was sent; only idempotent methods may)."""
UNREACHED: Final = "unreached"
BROKEN: Final = "broken"


def member_cluster(namespace: str, service: str, port: int, member: Member) -> str:
    """Name of the EDS cluster of all replicas of one version."""
    return f"{service}.{namespace}|{port}|{written(member.color)}|{member.version}"


def target_cluster(namespace: str, service: str, port: int, target: Target) -> str:
    """Name of the cluster a route points at: the member's own, or the aggregate that falls back behind it."""
    name = member_cluster(namespace, service, port, target.chain[0])
    return name if len(target.chain) == 1 else f"{name}|fallback"


def lane_of(cluster: str) -> LaneKey | None:
    """The lane that a member's or target's cluster belongs to; None for other clusters."""
    parts = cluster.split("|")
    service, _, namespace = parts[0].partition(".")
    return LaneKey(namespace, service, read_color(parts[2])) if len(parts) >= 4 else None


def weight_prefix(namespace: str, service: str, port: int, color: str) -> str:
    """Runtime key prefix of a lane's weights; Envoy appends `.` and the cluster's name."""
    return f"weight.{namespace}.{service}.{port}.{written(color)}"


def outbound_routes(namespace: str) -> str:
    """Name of the route table that all sidecars of a namespace share."""
    return f"outbound|{namespace}"


def inbound(port: int) -> str:
    """Name of a sidecar's inbound listener and cluster for a Service port."""
    return f"inbound|{port}"


def hosts(service: str, namespace: str) -> list[str]:
    """What applications call a service by, as on Kubernetes."""
    return [
        service,
        f"{service}.{namespace}",
        f"{service}.{namespace}.svc",
        f"{service}.{namespace}.svc.cluster.local",
    ]
