"""LDS: where a proxy listens, from what its bootstrap says of it. All change is kept out of here (it stands in routes
and endpoints): a changed listener drains its connections."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from mesh.protos import message, pack
from mesh.translation import filters, naming
from mesh.translation.clusters import DNS_CACHE
from mesh.translation.resources import Resource

CACHED = 10_000
MANAGER = "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"
IDLE = {"seconds": 300}
UPGRADES = [{"upgrade_type": "websocket"}]


@lru_cache(maxsize=CACHED)
def gateway(address: str, port: int) -> Resource:
    """The gateway's door."""
    manager = connection_manager("gateway", filters.gateway_filters())
    manager.use_remote_address.value = True
    manager.normalize_path.value = True
    manager.local_reply_config.CopyFrom(readable())
    from_routes(manager, naming.GATEWAY_ROUTES)
    return _listener(naming.GATEWAY_LISTENER, address, port, manager, direction="INBOUND")


@lru_cache(maxsize=CACHED)
def outbound(address: str, port: int, namespace: str) -> Resource:
    """A sidecar's HTTP proxy, through which its application makes its calls."""
    config = message("envoy.extensions.filters.http.dynamic_forward_proxy.v3.FilterConfig")(dns_cache_config=DNS_CACHE)
    chain = filters.sidecar_outbound_filters()
    proxying = message("envoy.extensions.filters.network.http_connection_manager.v3.HttpFilter")(
        name="envoy.filters.http.dynamic_forward_proxy", typed_config=pack(config)
    )
    manager = connection_manager("outbound", [*chain[:-1], proxying, chain[-1]])
    manager.upgrade_configs.add(upgrade_type="CONNECT")
    manager.generate_request_id.value = False
    manager.local_reply_config.CopyFrom(readable())
    from_routes(manager, naming.outbound_routes(namespace))
    return _listener(naming.OUTBOUND_LISTENER, address, port, manager, direction="OUTBOUND")


@lru_cache(maxsize=CACHED)
def inbound(address: str, port: int, inbound_port: int) -> Resource:
    """A sidecar's door for one Service port: straight to the application."""
    name = naming.inbound(port)
    manager = connection_manager("inbound", filters.sidecar_inbound_filters())
    manager.generate_request_id.value = False
    manager.http2_protocol_options.allow_connect = True
    manager.local_reply_config.CopyFrom(marked())
    manager.route_config.name = name
    manager.route_config.response_headers_to_remove.append(naming.FAILURE_HEADER)  # ours alone to say
    host = manager.route_config.virtual_hosts.add(name=name, domains=["*"])
    route = host.routes.add(match={"prefix": "/"})
    route.route.cluster = name
    route.route.timeout.SetInParent()
    return _listener(name, address, inbound_port, manager, needs=(name,), direction="INBOUND")


def connection_manager(stat_prefix: str, chain: list[Any]) -> Any:
    """Return a connection manager with the filters of a role, without routes."""
    return message(MANAGER)(
        stat_prefix=stat_prefix,
        http_filters=chain,
        upgrade_configs=UPGRADES,
        stream_idle_timeout=IDLE,
        common_http_protocol_options={"idle_timeout": IDLE},
        server_header_transformation="PASS_THROUGH",
    )


def from_routes(manager: Any, name: str) -> None:
    """Let a connection manager take its routes from the table `name`, over RDS."""
    manager.rds.route_config_name = name
    manager.rds.config_source.ads.SetInParent()
    manager.rds.config_source.resource_api_version = 2  # V3


def _listener(
    name: str, address: str, port: int, manager: Any, *, direction: str, needs: tuple[str, ...] = ()
) -> Resource:
    """`direction`: a sidecar that drains closes its INBOUND listeners only (mesh.sidecar.drain)."""
    listener = message("envoy.config.listener.v3.Listener")(
        name=name,
        traffic_direction=direction,
        address={"socket_address": {"address": address, "port_value": port}},
        enable_reuse_port={"value": False},  # a port in use must be an error, not shared between two proxies
        filter_chains=[{"filters": [{"name": MANAGER, "typed_config": pack(manager)}]}],
    )
    return Resource.of(name, listener, needs=needs)


def _flags(*flags: str) -> Mapping[str, object]:
    return {"response_flag_filter": {"flags": flags}}


def readable() -> Any:
    """A request that no replica could take is told so in words."""
    text = "Colorlane: %REQ(:authority)% has no healthy replica for this request (%RESPONSE_FLAGS%).\n"
    return message(f"{MANAGER.rpartition('.')[0]}.LocalReplyConfig")(
        mappers=[
            {"filter": _flags("UH", "UF", "NC", "URX"), "body_format_override": _text(text)},
            {
                "filter": _flags("UC"),
                "body_format_override": _text("Colorlane: the connection to %REQ(:authority)% broke.\n"),
            },
        ]
    )


def marked() -> Any:
    """Say whether the application saw the request, for the caller's retries (translation.retries)."""
    return message(f"{MANAGER.rpartition('.')[0]}.LocalReplyConfig")(
        mappers=[
            {"filter": _flags("UF", "UH", "UO"), "headers_to_add": [_header(naming.UNREACHED)]},
            {"filter": _flags("UC", "UR", "LR", "UPE"), "headers_to_add": [_header(naming.BROKEN)]},
        ]
    )


def _header(value: str) -> Mapping[str, object]:
    return {
        "header": {"key": naming.FAILURE_HEADER, "value": value},
        "append_action": "OVERWRITE_IF_EXISTS_OR_ADD",
    }


def _text(text: str) -> Mapping[str, object]:
    return {"text_format_source": {"inline_string": text}, "content_type": "text/plain; charset=utf-8"}
