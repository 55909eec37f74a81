"""LDS of captured sidecars: where the packets arrive that rules in the kernel have redirected (mesh.capture). Pure.

Outbound, HTTP in the clear takes the same routes by `Host` as requests to the explicit proxy; everything else (TLS,
other TCP, HTTP for names outside of the mesh) goes on to the address it was meant for. Inbound, HTTP on the
application's Service ports passes the same filters as what peers send, everything else goes on as it is.

Envoy looks at the first bytes to tell; a server that speaks first costs the caller `SNIFFING`, except on ports where
that is known. A chain of its own refuses connections to the listener itself, which would otherwise go round for ever.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import Any

from mesh.model.proxies import Capture, Sidecar
from mesh.protos import message, pack
from mesh.translation import clusters, dns, filters, naming, routes
from mesh.translation.listeners import CACHED, MANAGER, connection_manager, from_routes, marked, readable
from mesh.translation.resources import Resource

SNIFFING = {"nanos": 100_000_000}
SERVER_SPEAKS_FIRST = (21, 22, 25, 110, 119, 143, 587, 3306)  # FTP, SSH, SMTP, POP3, NNTP, IMAP, submission, MySQL
HTTP = ("http/1.1", "h2c")  # HTTP/1.0 may lack a Host: it goes on as bytes
TCP_PROXY = "envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy"
LISTENER_FILTERS = "envoy.extensions.filters.listener"
EVERYWHERE = ("0.0.0.0", "::")  # noqa: S104  inbound `redirect` leads to the address of the device, whichever that is
LOOPBACK = ("127.0.0.1", "::1")  # outbound `redirect` leads there


def listeners(proxy: Sidecar, services: Iterable[str]) -> list[Resource]:
    """Return the listeners of a sidecar for captured connections; none where it has no capture.

    `services` are those of its namespace: their names are answered with virtual addresses.
    """
    capture = proxy.capture
    if capture is None:
        return []
    found = []
    if capture.outbound:
        found.append(outbound(capture.outbound, proxy.namespace, capture.ipv6))
    if capture.inbound:
        targets = tuple(sorted({port.target for port in proxy.ports}))
        found.append(inbound(capture.inbound, targets, capture.ipv6))
    if capture.dns:
        found += dns.listeners(capture.dns, proxy.namespace, tuple(sorted(services)), capture.ipv6)
    return found


def own_clusters(capture: Capture | None) -> list[Resource]:
    """Return the clusters of a sidecar's captured connections; the first stands in the table that all share."""
    return [clusters.original()] if capture is None else [clusters.original(), clusters.nowhere()]


@lru_cache(maxsize=CACHED)
def outbound(port: int, namespace: str, ipv6: bool) -> Resource:
    """Where connections of the application arrive, whatever they were going to."""
    calls = connection_manager("outbound", filters.sidecar_captured_filters())
    calls.upgrade_configs.add(upgrade_type="CONNECT")
    calls.generate_request_id.value = False
    calls.local_reply_config.CopyFrom(readable())
    from_routes(calls, naming.outbound_routes(namespace))
    listener = _listener(naming.CAPTURED_OUTBOUND, LOOPBACK, port, ipv6, "OUTBOUND")
    http = listener.filter_chains.add(name="http", filter_chain_match={"application_protocols": HTTP})
    http.filters.extend([_mark(), _filter(MANAGER, calls)])
    return Resource.of(naming.CAPTURED_OUTBOUND, listener, needs=(naming.ORIGINAL, naming.NOWHERE))


@lru_cache(maxsize=CACHED)
def inbound(port: int, targets: tuple[int, ...], ipv6: bool) -> Resource:
    """Where connections to the application arrive that do not come from a sidecar (those know the way themselves).

    They go on to the very address that was called: a door that the application keeps to loopback stays shut.
    """
    listener = _listener(naming.CAPTURED_INBOUND, EVERYWHERE, port, ipv6, "INBOUND")
    requests = _filter(MANAGER, _requests())
    for target in targets:
        match = {"destination_port": {"value": target}, "application_protocols": HTTP}
        listener.filter_chains.add(name=f"http|{target}", filter_chain_match=match, filters=[requests])
    return Resource.of(naming.CAPTURED_INBOUND, listener, needs=(naming.ORIGINAL, naming.NOWHERE))


def _requests() -> Any:
    made = connection_manager("inbound", filters.sidecar_inbound_filters())
    made.generate_request_id.value = False
    made.http2_protocol_options.allow_connect = True
    made.local_reply_config.CopyFrom(marked())
    made.route_config.name = naming.CAPTURED_INBOUND
    made.route_config.response_headers_to_remove.append(naming.FAILURE_HEADER)
    host = made.route_config.virtual_hosts.add(name=naming.CAPTURED_INBOUND, domains=["*"])
    route = host.routes.add(match={"prefix": "/"})
    route.route.cluster = naming.ORIGINAL
    route.route.timeout.SetInParent()
    return made


def _listener(name: str, addresses: tuple[str, str], port: int, ipv6: bool, direction: str) -> Any:
    four, six = ({"socket_address": {"address": address, "port_value": port}} for address in addresses)
    return message("envoy.config.listener.v3.Listener")(
        name=name,
        traffic_direction=direction,
        address=four,
        additional_addresses=[{"address": six}] if ipv6 else [],
        enable_reuse_port={"value": False},
        listener_filters=[_original(), _sniffer()],
        listener_filters_timeout=SNIFFING,
        continue_on_listener_filters_timeout=True,
        filter_chains=[_refusal(port)],
        default_filter_chain={"name": "bytes", "filters": [_bytes(naming.ORIGINAL)]},
    )


def _original() -> Any:
    return _listener_filter("original_dst", message(f"{LISTENER_FILTERS}.original_dst.v3.OriginalDst")())


def _sniffer() -> Any:
    """TLS is told from HTTP by its first bytes too; what is inside of it is not our business."""
    sniffer = _listener_filter("http_inspector", message(f"{LISTENER_FILTERS}.http_inspector.v3.HttpInspector")())
    silent = [{"destination_port_range": {"start": each, "end": each + 1}} for each in SERVER_SPEAKS_FIRST]
    sniffer.filter_disabled.CopyFrom(
        message("envoy.config.listener.v3.ListenerFilterChainMatchPredicate")(or_match={"rules": silent})
    )
    return sniffer


def _listener_filter(name: str, config: Any) -> Any:
    return message("envoy.config.listener.v3.ListenerFilter")(
        name=f"envoy.filters.listener.{name}", typed_config=pack(config)
    )


def _refusal(port: int) -> Any:
    """A connection that was not redirected has the listener's own port as its destination."""
    return {
        "name": "itself",
        "filter_chain_match": {"destination_port": {"value": port}},
        "filters": [_bytes(naming.NOWHERE)],
    }


def _bytes(cluster: str) -> Any:
    """Envoy's own idle limit of an hour would cut connections that live without us."""
    proxy = message(TCP_PROXY)(stat_prefix=cluster, cluster=cluster)
    proxy.idle_timeout.SetInParent()
    return _filter(TCP_PROXY, proxy)


def _mark() -> Any:
    """What tells the route table, which all sidecars of a namespace share, that the destination is known."""
    name = "envoy.extensions.filters.network.set_filter_state.v3.Config"
    value = {"text_format_source": {"inline_string": routes.CAPTURED_MARK}}
    return _filter(
        name,
        message(name)(
            on_new_connection=[
                {"object_key": routes.CAPTURED_MARK, "factory_key": "envoy.string", "format_string": value}
            ]
        ),
    )


def _filter(name: str, config: Any) -> Any:
    return message("envoy.config.listener.v3.Filter")(name=name, typed_config=pack(config))
