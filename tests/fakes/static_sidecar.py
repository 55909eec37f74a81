"""Bootstrap of a sidecar Envoy that needs no mesh: inbound listeners lead to the application, outbound answers 200."""

from __future__ import annotations

import json
from typing import Any

from delivery.adapters.platform_local.records import ReplicaRecord
from delivery.adapters.platform_local.sidecar import endpoint_ports

TYPES = "type.googleapis.com/envoy.extensions.filters"


def static_bootstrap(record: ReplicaRecord) -> str:
    """Return the bootstrap of one replica."""
    ports = endpoint_ports(record)
    listeners = [
        _listener(f"inbound_{port.port}", port.inbound, {"route": {"cluster": f"app_{port.port}"}}) for port in ports
    ]
    hello = {"direct_response": {"status": 200, "body": {"inline_string": "outbound"}}}
    document = {
        "node": {"id": record.endpoint, "cluster": "test"},
        "admin": {"address": _address(record.ports.admin)},
        "static_resources": {
            "listeners": [*listeners, _listener("outbound", record.ports.outbound, hello)],
            "clusters": [_cluster(f"app_{port.port}", port.target) for port in ports],
        },
    }
    return json.dumps(document)


def _listener(name: str, port: int, action: dict[str, Any]) -> dict[str, Any]:
    route = {"match": {"prefix": "/"}, **action}
    manager = {
        "@type": f"{TYPES}.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": name,
        "route_config": {"virtual_hosts": [{"name": "all", "domains": ["*"], "routes": [route]}]},
        "http_filters": [{"name": "router", "typed_config": {"@type": f"{TYPES}.http.router.v3.Router"}}],
    }
    filters = [{"name": "http", "typed_config": manager}]
    return {"name": name, "address": _address(port), "filter_chains": [{"filters": filters}]}


def _cluster(name: str, port: int) -> dict[str, Any]:
    endpoint = {"endpoint": {"address": _address(port)}}
    assignment = {"cluster_name": name, "endpoints": [{"lb_endpoints": [endpoint]}]}
    return {"name": name, "type": "STATIC", "connect_timeout": "1s", "load_assignment": assignment}


def _address(port: int) -> dict[str, Any]:
    return {"socket_address": {"address": "127.0.0.1", "port_value": port}}
