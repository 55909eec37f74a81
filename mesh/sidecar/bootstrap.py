"""Bootstrap configuration of proxies: pure text from ports and names. All else comes from the mesh over delta ADS.

Rules behind it: RTDS may be late (routes fall back to the stable release), so it is awaited for 2 s; listeners and
clusters are awaited for ever, because a proxy without them would answer 404 or nothing. The stream to the mesh is
retried after 0.1 to 1 s (Envoy's default reaches 19 s).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

from mesh.model.proxies import Capture
from mesh.sidecar.door import TYPES, Door
from mesh.translation import metricnames

MESH_CLUSTER = "colorlane-mesh"
RUNTIME_LAYER = "colorlane"
MAX_CONNECTIONS = 20_000
# What the admin interface answers: reading, and one order. Any web page can send a plain POST to loopback, and would
# else be able to end proxies (/quitquitquit) or change their runtime.
ADMIN_PATHS = ("/ready", "/listeners", "/clusters", "/stats", "/server_info", "/config_dump", "/drain_listeners")

Json = Mapping[str, object]


@dataclass(frozen=True)
class Port:
    """One Service port of a workload: `inbound` is where its sidecar listens, `target` where the application does."""

    name: str
    port: int
    inbound: int
    target: int
    protocol: str = "http"


def sidecar_bootstrap(
    node_id: str,
    xds_port: int,
    admin_port: int,
    *,
    namespace: str,
    service: str,
    color: str,
    version: str,
    outbound: int,
    ports: Sequence[Port],
    address: str = "127.0.0.1",
    xds_address: str = "127.0.0.1",
    capture: Capture | None = None,
) -> str:
    """Return the bootstrap (JSON) of one replica's sidecar.

    `node_id` is the endpoint's id (`bookshop/reviews/alice/ab12cd34ef56/0`, baseline written `-`); `color` is "" for
    the baseline; `outbound` is the port of the HTTP proxy that the application uses for its calls. `capture`: where
    connections arrive that rules in the kernel redirect to it.
    """
    metadata = {
        "role": "sidecar",
        "namespace": namespace,
        "service": service,
        "color": color,
        "version": version,
        "outbound": outbound,
        "address": address,
        "ports": [asdict(port) for port in ports],
        **({"capture": asdict(capture)} if capture else {}),
    }
    document = bootstrap_document(node_id, f"{service}.{namespace}", metadata, xds_address, xds_port, admin_port)
    return json.dumps(document, indent=1, sort_keys=True)


def gateway_bootstrap(
    name: str,
    listen_address: str,
    listen_port: int,
    xds_port: int,
    admin_port: int,
    *,
    xds_address: str = "127.0.0.1",
    door: Door | None = None,
) -> str:
    """Return the bootstrap (JSON) of a gateway; its node id is `gateway/<name>`. `door`: how it shows who it is."""
    metadata = {"role": "gateway", "name": name, "address": listen_address, "port": listen_port}
    document = bootstrap_document(f"gateway/{name}", "gateway", metadata, xds_address, xds_port, admin_port, door)
    return json.dumps(document, indent=1, sort_keys=True)


def bootstrap_document(
    node: str,
    cluster: str,
    metadata: Json,
    xds_address: str,
    xds_port: int,
    admin_port: int,
    door: Door | None = None,
    *,
    clusters: Sequence[Json] = (),
    listeners: Sequence[Json] = (),
) -> Json:
    """Return the bootstrap of any proxy of ours, as JSON's types. Without a `door` the mesh is spoken to in clear.

    `clusters`, `listeners`: what else stands in it for the proxy's whole life.
    """
    static = {"clusters": [_mesh_cluster(xds_address, xds_port, door), *clusters]}
    ads = {"ads": {}, "resource_api_version": "V3", "initial_fetch_timeout": "0s"}
    return {
        "node": {"id": node, "cluster": cluster, "metadata": metadata},
        "admin": {
            "address": _address("127.0.0.1", admin_port),
            "allow_paths": [{"prefix": path} for path in ADMIN_PATHS],
        },
        "dynamic_resources": {"ads_config": _ads_config(), "cds_config": ads, "lds_config": ads},
        "layered_runtime": _runtime(),
        "static_resources": {**static, **({"listeners": list(listeners)} if listeners else {})},
        "stats_config": _stats_config(),
        "stats_flush_interval": "1s",
        "stats_sinks": [_stats_sink(node)],
        "overload_manager": _overload(),
    }


def _ads_config() -> Json:
    back_off = {"base_interval": "0.1s", "max_interval": "1s"}
    grpc = {"envoy_grpc": {"cluster_name": MESH_CLUSTER, "retry_policy": {"retry_back_off": back_off}}}
    return {
        "api_type": "DELTA_GRPC",
        "transport_api_version": "V3",
        # The node is 61 KB with all extension names in it: once a stream is enough.
        "set_node_on_first_message_only": True,
        "grpc_services": [grpc],
    }


def _runtime() -> Json:
    rtds = {"ads": {}, "resource_api_version": "V3", "initial_fetch_timeout": "2s"}
    return {"layers": [{"name": RUNTIME_LAYER, "rtds_layer": {"name": RUNTIME_LAYER, "rtds_config": rtds}}]}


def _mesh_cluster(address: str, port: int, door: Door | None) -> Json:
    endpoint = {"endpoint": {"address": _address(address, port)}}
    # Pings find a mesh that is gone without a FIN (a dead host) within 15 s.
    keepalive = {"connection_keepalive": {"interval": "10s", "timeout": "5s"}}
    http2 = {
        "@type": f"{TYPES}extensions.upstreams.http.v3.HttpProtocolOptions",
        "explicit_http_config": {"http2_protocol_options": keepalive},
        **({"http_filters": door.filters()} if door else {}),
    }
    return {
        **({"transport_socket": door.socket(address)} if door else {}),
        "name": MESH_CLUSTER,
        "type": "STRICT_DNS",
        "connect_timeout": "1s",
        "load_assignment": {"cluster_name": MESH_CLUSTER, "endpoints": [{"lb_endpoints": [endpoint]}]},
        "typed_extension_protocol_options": {"envoy.extensions.upstreams.http.v3.HttpProtocolOptions": http2},
    }


def _stats_config() -> Json:
    """Keep only what is read: our telemetry, what tells whether requests are in flight, and the health of xDS."""
    kept = [
        {"prefix": f"{metricnames.SCOPE}."},
        {"suffix": ".downstream_rq_active"},
        {"suffix": ".update_rejected"},
        {"suffix": ".init_fetch_timeout"},
        {"suffix": ".lua.errors"},
        {"prefix": "control_plane."},
    ]
    return {
        "stats_matcher": {"inclusion_list": {"patterns": kept}},
        "histogram_bucket_settings": [
            {"match": {"prefix": metricnames.LATENCY}, "buckets": list(metricnames.LATENCY_BOUNDS_US)}
        ],
    }


def _stats_sink(node: str) -> Json:
    """OTLP to the mesh: cumulative, so a gap loses nothing; everything that is not ours is dropped."""
    sink = f"{TYPES}extensions.stat_sinks.open_telemetry.v3.SinkConfig"
    names = (metricnames.REQUESTS, metricnames.LATENCY)
    return {
        "name": "envoy.stat_sinks.open_telemetry",
        "typed_config": {
            "@type": sink,
            "grpc_service": {
                "envoy_grpc": {"cluster_name": MESH_CLUSTER},
                "initial_metadata": [{"key": metricnames.NODE_HEADER, "value": node}],
                "timeout": "5s",
            },
            "custom_metric_conversions": {
                "matcher_list": {"matchers": [_convert(name, sink) for name in names]},
                "on_no_match": {"action": {"name": "drop", "typed_config": {"@type": f"{sink}.DropAction"}}},
            },
        },
    }


def _convert(name: str, sink: str) -> Json:
    full_name = {"@type": f"{TYPES}extensions.matching.common_inputs.stats.v3.StatFullNameMatchInput"}
    single = {"input": {"name": "name", "typed_config": full_name}, "value_match": {"prefix": name}}
    action = {"@type": f"{sink}.ConversionAction", "metric_name": name}
    return {
        "predicate": {"single_predicate": single},
        "on_match": {"action": {"name": "convert", "typed_config": action}},
    }


def _overload() -> Json:
    monitor = "extensions.resource_monitors.downstream_connections.v3.DownstreamConnectionsConfig"
    config = {"@type": f"{TYPES}{monitor}", "max_active_downstream_connections": MAX_CONNECTIONS}
    name = "envoy.resource_monitors.global_downstream_max_connections"
    return {"resource_monitors": [{"name": name, "typed_config": config}]}


def _address(address: str, port: int) -> Json:
    return {"socket_address": {"address": address, "port_value": port}}
