"""RDS: which lane and target a request takes. One table for the gateway, one for the sidecars of each namespace.

Selection is a matcher tree: an exact map on `x-color`, then one on the colour's code where an application has kept
only the trace id, then the baseline. A thousand colours cost what one costs (lists of header matches halve the
throughput). A colour stands in the map of a service only where its lane differs from the baseline.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any

from mesh.model.lanes import Lane, ServiceLanes
from mesh.model.nouns import BASELINE, Namespace
from mesh.protos import message, pack
from mesh.translation import filters, naming, retries
from mesh.translation.resources import Resource

CODE_BYTES = 6
CAPTURED_MARK = "colorlane.captured"  # of connections (translation.captured), in Envoy's filter state
CACHED = 20_000


def color_code(color: str) -> str:
    """Return what the first bytes of a trace id say of the colour, as hex."""
    return hashlib.sha256(f"colorlane:{color}".encode()).digest()[:CODE_BYTES].hex()


def gateway_routes(namespaces: Iterable[tuple[Namespace, Mapping[str, ServiceLanes]]]) -> Resource:
    """Return the gateway's table: `[*.]<domain>` leads to the entry service, `*--<service>.<domain>` to that one."""
    routing = message("envoy.config.route.v3.RouteConfiguration")(
        name=naming.GATEWAY_ROUTES, ignore_port_in_host_matching=True
    )
    needs: set[str] = set()
    taken: set[str] = set()
    for namespace, lanes in namespaces:
        if namespace.domain in taken:  # two with one domain: the whole table would be refused, for all namespaces
            continue
        taken.add(namespace.domain)
        for service, port, domains in _exposed(namespace, lanes):
            host = routing.virtual_hosts.add(name=f"{namespace.name}/{domains[0]}", domains=domains)
            for name, config in filters.gateway_host(namespace.domain).items():
                host.typed_per_filter_config[name].CopyFrom(config)
            needs |= _select(host, namespace.name, lanes.get(service), service, port)
    nowhere = routing.virtual_hosts.add(name="nowhere", domains=["*"])
    _answer(nowhere.routes.add(), 404, "Colorlane: no project has this host name.\n")
    return Resource.of(naming.GATEWAY_ROUTES, routing, needs=tuple(sorted(needs)))


def sidecar_routes(namespace: str, lanes: Mapping[str, ServiceLanes]) -> Resource:
    """Return the table of the calls that applications of a namespace make."""
    name = naming.outbound_routes(namespace)
    routing = message("envoy.config.route.v3.RouteConfiguration")(name=name)
    needs: set[str] = {naming.ORIGINAL, naming.PASSTHROUGH, naming.TUNNEL}
    for service, plan in sorted(lanes.items()):
        unnamed = _unnamed_port(plan)
        for port, _ in plan.ports:
            domains = _names(service, namespace, port, bare=port == unnamed)
            host = routing.virtual_hosts.add(name=f"{service}:{port}", domains=domains)
            needs |= _select(host, namespace, plan, service, port)
    outside = routing.virtual_hosts.add(name="outside", domains=["*"])
    _captured(outside)
    for name_, config in filters.passthrough_host().items():
        outside.typed_per_filter_config[name_].CopyFrom(config)
    _connect(outside.routes.add(), naming.PASSTHROUGH)
    route = outside.routes.add(match={"prefix": "/"})
    route.route.cluster = naming.PASSTHROUGH
    route.route.timeout.SetInParent()
    back_in = routing.virtual_hosts.add(name="tunnel", domains=[filters.TUNNEL_HOST])
    _connect(back_in.routes.add(), naming.TUNNEL)
    return Resource.of(name, routing, needs=tuple(sorted(needs)))


def _captured(outside: Any) -> None:
    """Send captured requests where they were going; those of the explicit proxy have no such place, nor the mark."""
    for connecting in (True, False):
        route = outside.routes.add()
        if connecting:
            route.match.connect_matcher.SetInParent()
        else:
            route.match.prefix = "/"
        route.match.filter_state.add(key=CAPTURED_MARK, string_match={"exact": CAPTURED_MARK})
        route.route.cluster = naming.ORIGINAL
        route.route.timeout.SetInParent()
        route.route.idle_timeout.SetInParent()  # 0: as without us
        for name, config in filters.captured_route().items():
            route.typed_per_filter_config[name].CopyFrom(config)


def _connect(route: Any, cluster: str) -> None:
    """Take CONNECT and send what comes out of the tunnel to a cluster, as bytes."""
    route.match.connect_matcher.SetInParent()
    route.route.cluster = cluster
    route.route.timeout.SetInParent()
    route.route.upgrade_configs.add(upgrade_type="CONNECT").connect_config.SetInParent()


def _exposed(namespace: Namespace, lanes: Mapping[str, ServiceLanes]) -> Iterable[tuple[str, int, list[str]]]:
    if not namespace.domain:
        return
    domains = [namespace.domain, f"*.{namespace.domain}"]
    yield namespace.entry_service, namespace.entry_port, domains
    for service, plan in sorted(lanes.items()):
        if plan.ports:
            yield service, _unnamed_port(plan), [f"*--{service}.{namespace.domain}"]


def _unnamed_port(plan: ServiceLanes) -> int:
    """The port meant where none is named: 80 if the service has it, else its lowest."""
    numbers = [number for number, _ in plan.ports]
    return 80 if 80 in numbers else min(numbers, default=0)


def _names(service: str, namespace: str, port: int, *, bare: bool) -> list[str]:
    hosts = naming.hosts(service, namespace)
    return [f"{host}:{port}" for host in hosts] + (hosts if bare else [])


def _select(host: Any, namespace: str, plan: ServiceLanes | None, service: str, port: int) -> set[str]:
    """Fill a virtual host with the choice of lanes; return the clusters that it leads to."""
    host.retry_policy.CopyFrom(retries.idempotent())
    if plan is None or port not in dict(plan.ports) or not plan.owned:
        _answer(host.routes.add(), 503, f"Colorlane: no version of {service} serves port {port} yet.\n")
        return set()
    used = {BASELINE, *plan.selects.values()}
    actions = {color: _action(namespace, lane, service, port) for color, lane in plan.owned.items() if color in used}
    nothing = _no_baseline(service)
    if not plan.selects:
        host.matcher.on_no_match.action.CopyFrom(actions.get(BASELINE, nothing))
    else:
        by_header = _tree(filters.COLOR_HEADER, {color: actions[owner] for color, owner in plan.selects.items()})
        codes = {color_code(color): actions[owner] for color, owner in plan.selects.items()}
        by_code = _tree(filters.CODE_HEADER, codes)
        by_code.on_no_match.action.CopyFrom(actions.get(BASELINE, nothing))
        by_header.on_no_match.matcher.CopyFrom(by_code)
        host.matcher.CopyFrom(by_header)
    lanes = [lane for color, lane in plan.owned.items() if color in used]
    return {name for lane in lanes for name in _led_to(namespace, lane, service, port)}


def _led_to(namespace: str, lane: Lane, service: str, port: int) -> Iterable[str]:
    """Clusters of the targets, and of all that stand in their chains."""
    for target in lane.targets:
        yield naming.target_cluster(namespace, service, port, target)
        for member in target.chain:
            yield naming.member_cluster(namespace, service, port, member)


def _tree(header: str, actions: Mapping[str, Any]) -> Any:
    """A matcher with one exact map on a request header."""
    matcher = message("xds.type.matcher.v3.Matcher")()
    tree = matcher.matcher_tree
    tree.input.name = header
    tree.input.typed_config.CopyFrom(
        pack(message("envoy.type.matcher.v3.HttpRequestHeaderMatchInput")(header_name=header))
    )
    for value, action in sorted(actions.items()):
        tree.exact_match_map.map[value].action.CopyFrom(action)
    return matcher


@lru_cache(maxsize=CACHED)
def _action(namespace: str, lane: Lane, service: str, port: int) -> Any:
    """Two routes of a lane: idempotent methods take the virtual host's retries, others only those before sending."""
    routes = message("envoy.config.route.v3.RouteList")()
    repeatable = routes.routes.add()
    repeatable.match.headers.add(name=":method", string_match={"safe_regex": {"regex": retries.IDEMPOTENT_METHODS}})
    other = routes.routes.add()
    for route in (repeatable, other):
        route.match.prefix = "/"
        route.metadata.CopyFrom(filters.route_metadata(service, lane.color))
        _split(route.route, namespace, lane, service, port)
    other.route.retry_policy.CopyFrom(retries.unsafe())
    return _wrapped("lane", routes)


def _split(route: Any, namespace: str, lane: Lane, service: str, port: int) -> None:
    """Weights come from the runtime layer; what stands here is the lease's end: all to the stable release."""
    route.timeout.SetInParent()  # 0: streams and long polls live; idle ones end by the listener's limit
    names = [naming.target_cluster(namespace, service, port, target) for target in lane.targets]
    if len(names) == 1:
        route.cluster = names[0]
        return
    route.weighted_clusters.runtime_key_prefix = naming.weight_prefix(namespace, service, port, lane.color)
    for position, name in enumerate(names):
        route.weighted_clusters.clusters.add(name=name, weight={"value": 0 if position else 100})


def _no_baseline(service: str) -> Any:
    routes = message("envoy.config.route.v3.RouteList")()
    text = f"Colorlane: {service} has no baseline, and the request carries no colour that has a version of it.\n"
    _answer(routes.routes.add(), 503, text)
    return _wrapped("no-baseline", routes)


def _wrapped(name: str, routes: Any) -> Any:
    return message("xds.type.matcher.v3.Matcher.OnMatch")(action={"name": name, "typed_config": pack(routes)}).action


def _answer(route: Any, status: int, text: str) -> None:
    route.match.prefix = "/"
    route.direct_response.status = status
    route.direct_response.body.inline_string = text
