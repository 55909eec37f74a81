"""HTTP filters of the three places a request passes: gateway, sidecar inbound, sidecar outbound. Pure.

The chain is: `colorlane` (colour.lua: reads, strips and restores colours, writes the receipt), `colorlane.hop` (tells
it on the way back who answered), router. It is the same bytes for every proxy of a role, so listeners stay stable;
what differs between domains stands in the virtual host (`gateway_host`, `passthrough_host`), what differs between
lanes in the route (`route_metadata`), who an endpoint is in EDS (`access.endpoint_metadata`).
docs/colour.md tells the rules to users.
"""

from __future__ import annotations

from functools import cache
from importlib import resources
from typing import Any, Final

from mesh.protos import message, pack
from mesh.translation import access, metricnames

COLOUR_FILTER: Final = "colorlane"
HOP_FILTER: Final = "colorlane.hop"
ROUTER_FILTER: Final = "envoy.filters.http.router"

COLOR_HEADER: Final = "x-color"
CODE_HEADER: Final = "x-colorlane-code"
RECEIPT_HEADER: Final = "x-colorlane-route"
HOP_HEADER: Final = "x-colorlane-hop"

TUNNEL_HOST: Final = "tunnel.colorlane"
"""Where an application's CONNECT for plain HTTP is led: its virtual host must send it back into the same listener."""

SHARED_MACHINE: Final = "colorlane"
"""Name of the Lua machine that all listeners of one proxy share: it joins inbound with outbound requests."""

Filters = list[Any]


def gateway_filters(*, machine: str = SHARED_MACHINE) -> Filters:
    """Return the `HttpFilter`s of a gateway. Its virtual hosts need `gateway_host` to find colours in host names."""
    return _chain("gateway", machine, counted=True)


def sidecar_outbound_filters(*, machine: str = SHARED_MACHINE) -> Filters:
    """Return the `HttpFilter`s of the listener the application's calls go through."""
    return _chain("outbound", machine, counted=True)


def sidecar_captured_filters(*, machine: str = SHARED_MACHINE) -> Filters:
    """Return the `HttpFilter`s of the listener that the application's captured calls arrive at.

    Routes that leave the mesh from there need `captured_route`.
    """
    return _chain("outbound", machine, counted=True, captured=True)


def sidecar_inbound_filters(*, machine: str = SHARED_MACHINE) -> Filters:
    """Return the `HttpFilter`s of the listener before the application. It counts nothing: the caller does."""
    return _chain("inbound", machine, counted=False)


def gateway_host(domain: str, *, trusted: bool = False) -> dict[str, Any]:
    """Return `typed_per_filter_config` for the gateway's virtual hosts of a domain (those with `*.<domain>` too).

    `trusted` lets in the colour carriers that clients send; otherwise they are stripped. Set entry by entry with
    `host.typed_per_filter_config[name].CopyFrom(config)`.
    """
    return _per_route(role="gateway", domain=domain, trusted=trusted)


def passthrough_host() -> dict[str, Any]:
    """Return `typed_per_filter_config` for a virtual host of destinations outside the mesh: colours stay inside."""
    return _per_route(role="passthrough")


def captured_route() -> dict[str, Any]:
    """Return `typed_per_filter_config` for a route out of the mesh that captured requests take, as `passthrough_host`.

    Neither end knows of a proxy, so none is named to them, and a CONNECT is meant for the server it is sent to.
    """
    return _per_route(role="passthrough", captured=True)


def route_metadata(service: str, lane: str = "") -> Any:
    """Return the `Metadata` of a route to a mesh service, which the receipt needs.

    `lane` is the colour whose own workload the route means to reach (the environment's, or that of a base
    environment). Leave it empty where the lane has no workload for the service: the baseline's answer is no fallback.
    """
    metadata = message("envoy.config.core.v3.Metadata")()
    fields = metadata.filter_metadata[metricnames.METADATA].fields
    fields["service"].string_value = service
    fields["lane"].string_value = lane or metricnames.BASELINE
    return metadata


@cache
def script() -> str:
    """Return the Lua source, comments included."""
    return resources.files("mesh.translation").joinpath("colour.lua").read_text("utf-8")


def _chain(role: str, machine: str, *, counted: bool, captured: bool = False) -> Filters:
    router = message("envoy.extensions.filters.http.router.v3.Router")(suppress_envoy_headers=True)
    router.upstream_log.extend(access.upstream_log() if counted else [])
    return [
        _filter(COLOUR_FILTER, _colour(role, machine, captured=captured)),
        _filter(HOP_FILTER, _hop()),
        _filter(ROUTER_FILTER, router),
    ]


def _filter(name: str, config: Any) -> Any:
    return message("envoy.extensions.filters.network.http_connection_manager.v3.HttpFilter")(
        name=name, typed_config=pack(config)
    )


def _colour(role: str, machine: str, *, captured: bool) -> Any:
    lua = message("envoy.extensions.filters.http.lua.v3.Lua")(shared_vm_id=machine)
    lua.default_source_code.inline_string = script()
    # The script says itself when the route is to be chosen anew: at most once, and not at all where nothing changed.
    lua.clear_route_cache.value = False
    lua.filter_context.fields["role"].string_value = role
    if captured:
        lua.filter_context.fields["captured"].bool_value = True
    return lua


def _per_route(*, role: str, **values: str | bool) -> dict[str, Any]:
    config = message("envoy.extensions.filters.http.lua.v3.LuaPerRoute")()
    config.filter_context.fields["role"].string_value = role
    for name, value in values.items():
        field = config.filter_context.fields[name]
        if isinstance(value, bool):
            field.bool_value = value
        else:
            field.string_value = value
    return {COLOUR_FILTER: pack(config)}


def _hop() -> Any:
    """Who answered, for the script, which cannot see it: one response header that never leaves the proxy."""
    endpoint = [f"%UPSTREAM_METADATA({metricnames.METADATA}:{name})%" for name in ("service", "color", "version")]
    route = [f"%METADATA(ROUTE:{metricnames.METADATA}:{name})%" for name in ("lane", "service")]
    lane, service = route
    parts = [*endpoint, lane, "%UPSTREAM_REQUEST_ATTEMPT_COUNT%", service, "%REQ(traceparent)%"]
    mutation = message("envoy.extensions.filters.http.header_mutation.v3.HeaderMutation")()
    option = mutation.mutations.response_mutations.add().append
    option.header.key = HOP_HEADER
    option.header.value = "|".join(parts)
    option.append_action = option.HeaderAppendAction.OVERWRITE_IF_EXISTS_OR_ADD
    return mutation
