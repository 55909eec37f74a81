"""The sidecar of a pod: its Envoy's whole configuration in the container's arguments, so that no file is written.

Who the pod is stands in the text as `$(POD_NAME)`, `$(POD_NAMESPACE)` and `$(POD_IP)`; the kubelet puts the values in
before Envoy sees it (variables of the downward API, `POD_VARIABLES`). Neighbours: bootstrap, door, mesh.injection.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

from mesh.model import pods
from mesh.model.pods import PodIdentity
from mesh.sidecar.bootstrap import Json, bootstrap_document
from mesh.sidecar.door import TYPES, Door

POD_NAME, POD_NAMESPACE, POD_IP = "$(POD_NAME)", "$(POD_NAMESPACE)", "$(POD_IP)"
POD_VARIABLES: Mapping[str, str] = {
    "POD_NAME": "metadata.name",
    "POD_NAMESPACE": "metadata.namespace",
    "POD_IP": "status.podIP",
}
"""Environment variable -> field of the pod it comes from."""
HEALTH_PATH = "/healthz/ready"
DRAIN_SECONDS = 45


def pod_bootstrap(
    identity: PodIdentity,
    door: Door,
    *,
    captured: bool,
    dns: bool = False,
    xds_address: str,
    xds_port: int = 15010,
    pod: str = POD_NAME,
    address: str = POD_IP,
) -> str:
    """Return the bootstrap (JSON on one line) of a pod's sidecar.

    `captured`: the pod's packets are redirected to it, with `dns` its look-ups too. The ports of the application are
    not known here: the mesh reads them from the cluster (`dynamic_ports`).
    """
    capture = {
        "outbound": pods.CAPTURED_OUTBOUND_PORT,
        "inbound": pods.CAPTURED_INBOUND_PORT,
        "dns": pods.DNS_PORT if dns else 0,
        "ipv6": True,  # taken back where the pod has none (mesh.sidecar.__main__)
    }
    metadata = {
        "role": "sidecar",
        "namespace": identity.namespace,
        "service": identity.service,
        "color": identity.color,
        "version": identity.version,
        "address": address,
        "outbound": pods.PROXY_PORT,
        "dynamic_ports": True,
        **({"capture": capture} if captured else {}),
    }
    cluster = f"{identity.service}.{identity.namespace}"
    document = bootstrap_document(
        identity.endpoint_id(pod),
        cluster,
        metadata,
        xds_address,
        xds_port,
        pods.ADMIN_PORT,
        door,
        clusters=[_admin_cluster()],
        listeners=[_health_listener(address)],
    )
    return json.dumps(document, sort_keys=True, separators=(",", ":"))


def pod_arguments(bootstrap: str, *, concurrency: int, log_level: str = "warning") -> list[str]:
    """Return the arguments of `python -m mesh.sidecar`, which becomes Envoy."""
    return [
        *("--config-yaml", bootstrap),
        *("--concurrency", str(concurrency)),
        *("--log-level", log_level),
        *("--drain-time-s", str(DRAIN_SECONDS)),
        "--disable-hot-restart",
    ]


def _admin_cluster() -> Json:
    address = {"socket_address": {"address": "127.0.0.1", "port_value": pods.ADMIN_PORT}}
    return {
        "name": "admin",
        "type": "STATIC",
        "connect_timeout": "1s",
        "load_assignment": {
            "cluster_name": "admin",
            "endpoints": [{"lb_endpoints": [{"endpoint": {"address": address}}]}],
        },
    }


def _health_listener(address: str) -> Json:
    """One path of the admin interface for the kubelet, on the pod's address: the interface itself stays inside."""
    route = {"match": {"path": HEALTH_PATH}, "route": {"cluster": "admin", "prefix_rewrite": "/ready"}}
    hosts = [{"name": "all", "domains": ["*"], "routes": [route]}]
    connections = {
        "@type": f"{TYPES}extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "health",
        "codec_type": "HTTP1",
        "generate_request_id": False,
        "route_config": {"virtual_hosts": hosts},
        "http_filters": [
            {
                "name": "envoy.filters.http.router",
                "typed_config": {"@type": f"{TYPES}extensions.filters.http.router.v3.Router"},
            }
        ],
    }
    filters = [{"name": "envoy.filters.network.http_connection_manager", "typed_config": connections}]
    return {
        "name": "health",
        "address": {"socket_address": {"address": address, "port_value": pods.HEALTH_PORT}},
        "ignore_global_conn_limit": True,
        "filter_chains": [{"filters": filters}],
    }
