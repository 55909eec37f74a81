"""CDS: member clusters (endpoints by EDS), fallback clusters (aggregates), a sidecar's own clusters.

Numbers are those that failed no request when a process was killed under load: retries must not run out (by default
three may be under way at a time), dead hosts must not be tried for want of better ones (panic 0), the next priority
must be there at once. Bytes stay as they are while endpoints and weights move: a changed cluster drops its connections.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from mesh.model.nouns import BASELINE
from mesh.protos import message, pack
from mesh.translation.naming import NOWHERE, ORIGINAL, PASSTHROUGH, TUNNEL, inbound
from mesh.translation.resources import Resource

CACHED = 20_000
UNLIMITED = {"value": 1_000_000}
BREAKERS = {
    "thresholds": [
        dict.fromkeys(("max_connections", "max_pending_requests", "max_requests", "max_retries"), UNLIMITED),
    ]
}
CONNECT = {"seconds": 1}
APP_IDLE = {"seconds": 3}  # below the keep-alive of common servers (Node and uvicorn: 5 s), which else race requests
CAPTURED_CONNECT = {"seconds": 10}  # the destination may be far away
# The connection has no idle limit of ours: a peer that is gone without a word is found by probes after 5 minutes.
PROBES = {"keepalive_time": {"value": 240}, "keepalive_interval": {"value": 15}, "keepalive_probes": {"value": 4}}
KEEP_ALIVE = {"tcp_keepalive": PROBES}
HTTP_OPTIONS = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
DNS_CACHE = {"name": PASSTHROUGH, "dns_lookup_family": "V4_PREFERRED"}


@lru_cache(maxsize=CACHED)
def member(name: str, color: str) -> Resource:
    """The EDS cluster of all replicas of one version; HTTP/2 to their sidecars."""
    cluster = message("envoy.config.cluster.v3.Cluster")(
        name=name,
        type="EDS",
        eds_cluster_config={"eds_config": {"ads": {}, "resource_api_version": "V3"}},
        lb_policy="LEAST_REQUEST",
        common_lb_config={"healthy_panic_threshold": {"value": 0}},
        outlier_detection=_ejection(alone=color == BASELINE),
        connect_timeout=CONNECT,
        circuit_breakers=BREAKERS,
    )
    # Websockets cross HTTP/2 as extended CONNECT.
    _http(cluster, {"http2_protocol_options": {"allow_connect": True}})
    return Resource.of(name, cluster)


@lru_cache(maxsize=CACHED)
def fallback(name: str, chain: tuple[str, ...]) -> Resource:
    """The aggregate that sends requests to the first cluster of `chain` with a healthy host."""
    aggregate = message("envoy.extensions.clusters.aggregate.v3.ClusterConfig")(clusters=chain)
    cluster = message("envoy.config.cluster.v3.Cluster")(
        name=name,
        cluster_type={"name": "envoy.clusters.aggregate", "typed_config": pack(aggregate)},
        lb_policy="CLUSTER_PROVIDED",
        connect_timeout=CONNECT,
        circuit_breakers=BREAKERS,
    )
    return Resource.of(name, cluster, needs=chain)


@lru_cache(maxsize=CACHED)
def application(port: int, target: int, protocol: str) -> Resource:
    """A sidecar's cluster of one: its application's port."""
    name = inbound(port)
    cluster = _own(name, target)
    _http(cluster, {"http2_protocol_options": {}} if protocol in ("grpc", "http2") else {"http_protocol_options": {}})
    return Resource.of(name, cluster)


@lru_cache(maxsize=CACHED)
def tunnel(outbound: int) -> Resource:
    """A sidecar's own outbound listener: what comes out of an application's CONNECT goes in there as a request."""
    return Resource.of(TUNNEL, _own(TUNNEL, outbound))


@lru_cache(maxsize=1)
def passthrough() -> Resource:
    """Where requests to hosts outside of the mesh go: whatever their name resolves to."""
    config = message("envoy.extensions.clusters.dynamic_forward_proxy.v3.ClusterConfig")(dns_cache_config=DNS_CACHE)
    cluster = message("envoy.config.cluster.v3.Cluster")(
        name=PASSTHROUGH,
        cluster_type={"name": "envoy.clusters.dynamic_forward_proxy", "typed_config": pack(config)},
        lb_policy="CLUSTER_PROVIDED",
        connect_timeout=CONNECT,
        circuit_breakers=BREAKERS,
    )
    return Resource.of(PASSTHROUGH, cluster)


@lru_cache(maxsize=1)
def original() -> Resource:
    """Where a captured connection was going, in the protocol that it speaks."""
    cluster = message("envoy.config.cluster.v3.Cluster")(
        name=ORIGINAL,
        type="ORIGINAL_DST",
        lb_policy="CLUSTER_PROVIDED",
        connect_timeout=CAPTURED_CONNECT,
        circuit_breakers=BREAKERS,
        upstream_connection_options=KEEP_ALIVE,
    )
    options = message(HTTP_OPTIONS)(
        use_downstream_protocol_config={"http_protocol_options": {}, "http2_protocol_options": {"allow_connect": True}}
    )
    cluster.typed_extension_protocol_options[HTTP_OPTIONS].CopyFrom(pack(options))
    return Resource.of(ORIGINAL, cluster)


@lru_cache(maxsize=1)
def nowhere() -> Resource:
    """Without an address: a connection that is led here is closed."""
    return Resource.of(NOWHERE, message("envoy.config.cluster.v3.Cluster")(name=NOWHERE, type="STATIC"))


def _own(name: str, port: int) -> Any:
    """A cluster of one port on loopback."""
    address = {"socket_address": {"address": "127.0.0.1", "port_value": port}}
    return message("envoy.config.cluster.v3.Cluster")(
        name=name,
        type="STATIC",
        load_assignment={
            "cluster_name": name,
            "endpoints": [{"lb_endpoints": [{"endpoint": {"address": address}}]}],
        },
        connect_timeout=CONNECT,
        circuit_breakers=BREAKERS,
    )


def _http(cluster: Any, protocol: Mapping[str, object]) -> None:
    options = message(HTTP_OPTIONS)(explicit_http_config=protocol)
    if "http_protocol_options" in protocol:
        options.common_http_protocol_options.idle_timeout.seconds = APP_IDLE["seconds"]
    cluster.typed_extension_protocol_options[HTTP_OPTIONS].CopyFrom(pack(options))


def _ejection(*, alone: bool) -> Mapping[str, object]:
    """Eject hosts that cannot be reached, never ones that answer badly: a bad answer is the gate's business.

    `alone`: nothing stands behind the stable baseline, so its last host is kept (half of them may go, and it takes
    two failures), while a coloured lane gives way at the first one.
    """
    return {
        "split_external_local_origin_errors": True,
        "consecutive_local_origin_failure": {"value": 2 if alone else 1},
        "enforcing_consecutive_local_origin_failure": {"value": 100},
        "enforcing_local_origin_success_rate": {"value": 0},
        "enforcing_consecutive_5xx": {"value": 0},
        "enforcing_success_rate": {"value": 0},
        "max_ejection_percent": {"value": 50 if alone else 100},
        "interval": {"nanos": 500_000_000},
        "base_ejection_time": {"seconds": 1},
        "max_ejection_time": {"seconds": 2},
    }
