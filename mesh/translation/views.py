"""Views: all resources of one proxy at one revision of the world. What proxies share is translated once.

Neighbours: one file per xDS type beside it; serving compares a view with what the proxy has and sends the rest.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from mesh.model.lanes import Lane, Member, ServiceLanes, service_lanes
from mesh.model.nouns import Intent, LaneKey, Namespace
from mesh.model.proxies import Gateway, Proxy, Sidecar
from mesh.model.world import World
from mesh.translation import captured, clusters, endpoints, listeners, naming, routes
from mesh.translation.endpoints import Ready, ready_replicas
from mesh.translation.holding import Ways
from mesh.translation.resources import CLUSTER, ENDPOINTS, LISTENER, ROUTES, Resource, Table, table
from mesh.translation.runtime import Weights


@dataclass(frozen=True)
class View:
    """What one proxy should have at `revision`. RTDS is given as weights, since it may have to bridge two tables.

    `shape` is the revision since which nothing but weights has changed: views of one proxy with the same have equal
    tables; None where that is not known. `ways` is what the route table was made of.
    """

    revision: int
    tables: Mapping[str, Table]  # by type URL
    weights: Weights
    shape: int | None = None
    ways: Ways | None = None


@dataclass(frozen=True)
class NamespacePart:
    """What all proxies that serve a namespace share. `shape`: the revision since which only weights have changed."""

    lanes: Mapping[str, ServiceLanes]
    ready: Mapping[str, Ready]  # by service
    clusters: Table
    endpoints: Table
    routes: Resource
    weights: Weights
    shape: int


@dataclass(frozen=True)
class Translation:
    """The whole world, translated."""

    revision: int
    world: World
    parts: Mapping[str, NamespacePart]
    gateway: NamespacePart
    exposed: Mapping[str, Namespace]

    def view(self, proxy: Proxy) -> View:
        """Return what the proxy should have."""
        if isinstance(proxy, Gateway):
            doors = table(listeners.gateway(proxy.address, proxy.port))
            return self._view(self.gateway, self.gateway.clusters, doors, self._gateway_ways())
        part = self.parts.get(proxy.namespace) or _namespace_part(World(), proxy.namespace, self.revision)
        proxy = self._with_ports(proxy)
        own = (
            clusters.passthrough(),
            clusters.tunnel(proxy.outbound),
            *(clusters.application(port.port, port.target, port.protocol) for port in proxy.ports),
            *captured.own_clusters(proxy.capture),
        )
        name = proxy.namespace
        ways = Ways({name: part.lanes}, lambda lanes: routes.sidecar_routes(name, lanes[name]))
        return self._view(part, {**part.clusters, **table(*own)}, _sidecar_doors(proxy, part), ways)

    def _with_ports(self, proxy: Sidecar) -> Sidecar:
        """A sidecar whose bootstrap did not know its ports has those of its endpoint."""
        endpoint = self.world.endpoints.get(proxy.id) if proxy.dynamic_ports else None
        return proxy if endpoint is None else replace(proxy, ports=endpoint.ports)

    def _gateway_ways(self) -> Ways:
        exposed = self.exposed
        lanes = {name: self.parts[name].lanes for name in sorted(exposed)}
        return Ways(
            lanes, lambda held: routes.gateway_routes([(exposed[name], held[name]) for name in sorted(exposed)])
        )

    def _view(self, part: NamespacePart, members: Table, doors: Table, ways: Ways) -> View:
        tables = {CLUSTER: members, ENDPOINTS: part.endpoints, LISTENER: doors, ROUTES: table(part.routes)}
        return View(self.revision, tables, part.weights, part.shape, ways)


def translate(world: World, revision: int, before: Translation | None = None) -> Translation:
    """Translate the world. What is as in `before` is taken from there; of new weights nothing else is looked at."""
    reweighted = world.reweighted_since(before.world) if before else None
    if before and reweighted is not None:
        return _with_weights(before, world, revision, reweighted)
    touched = world.touched_since(before.world) if before else set()
    parts = {}
    for name in sorted({*world.namespaces, *(namespace for namespace, _ in world.ports)}):
        part = before.parts.get(name) if before else None
        if before is None or part is None or name in touched:
            parts[name] = _namespace_part(world, name, revision, part)
        else:
            parts[name] = _with_endpoints(world, name, revision, part, before.world)
    return Translation(revision, world, parts, _gateway_part(world, parts, revision, before), world.namespaces)


def _with_weights(before: Translation, world: World, revision: int, reweighted: list[Intent]) -> Translation:
    """The same routes and clusters. Both worlds have the same lanes, so the keys of the weights are the same too."""
    parts, gateway = dict(before.parts), before.gateway
    for intent in reweighted:
        name = intent.key.namespace
        plan = parts[name].lanes.get(intent.key.service) if name in parts else None
        fresh = _weights(world, name, plan) if plan else {}
        if plan and fresh:
            parts[name] = replace(parts[name], weights={**parts[name].weights, **fresh})
            if name in world.namespaces:
                gateway = replace(gateway, weights={**gateway.weights, **fresh})
    return replace(before, revision=revision, world=world, parts=parts, gateway=gateway)


def _sidecar_doors(proxy: Sidecar, part: NamespacePart) -> Table:
    inbound = (listeners.inbound(proxy.address, port.port, port.inbound) for port in proxy.ports)
    explicit = listeners.outbound("127.0.0.1", proxy.outbound, proxy.namespace)
    return table(explicit, *inbound, *captured.listeners(proxy, part.lanes))


def _namespace_part(world: World, namespace: str, revision: int, before: NamespacePart | None = None) -> NamespacePart:
    """Translate a namespace, with tables taken from before where they come out the same."""
    lanes = {service: service_lanes(world, namespace, service) for service in world.services(namespace)}
    ready = {service: ready_replicas(world.replicas_of(namespace, service)) for service in lanes}
    weights = {key: value for plan in lanes.values() for key, value in _weights(world, namespace, plan).items()}
    if before is None or lanes != before.lanes:
        made = table(*(resource for plan in lanes.values() for resource in _clusters(namespace, plan)))
        assigned = _assigned(namespace, lanes, ready)
        ways = routes.sidecar_routes(namespace, lanes)
        return NamespacePart(lanes, ready, made, assigned, ways, weights, revision)
    if ready != before.ready:
        assigned = _assigned(namespace, lanes, ready)
        return replace(before, ready=ready, endpoints=assigned, weights=weights, shape=revision)
    return replace(before, weights=weights, shape=revision)  # ports of sidecars may have changed all the same


def _with_endpoints(world: World, namespace: str, revision: int, before: NamespacePart, then: World) -> NamespacePart:
    """Translate a namespace in which nothing but endpoints may have changed: only their services are looked at."""
    changed = world.services_since(then, namespace) & before.lanes.keys()
    if not changed:
        return before
    if any(service_lanes(world, namespace, service) != before.lanes[service] for service in changed):
        return _namespace_part(world, namespace, revision, before)
    fresh = {service: ready_replicas(world.replicas_of(namespace, service)) for service in changed}
    moved = {service: ready for service, ready in fresh.items() if ready != before.ready[service]}
    lanes = {service: before.lanes[service] for service in moved}
    assigned = {**before.endpoints, **_assigned(namespace, lanes, moved)} if moved else before.endpoints
    return replace(before, ready={**before.ready, **moved}, endpoints=assigned, shape=revision)


def _gateway_part(
    world: World, parts: Mapping[str, NamespacePart], revision: int, before: Translation | None
) -> NamespacePart:
    """What gateways have: all namespaces that are exposed."""
    exposed = [(world.namespaces[name], parts[name]) for name in sorted(world.namespaces)]
    if before is not None and before.exposed == world.namespaces:
        held = [before.parts.get(namespace.name) for namespace, _ in exposed]
        if all(part is then for (_, part), then in zip(exposed, held, strict=True)):
            return before.gateway
    weights = {key: value for _, part in exposed for key, value in part.weights.items()}
    members = {name: each for _, part in exposed for name, each in part.endpoints.items()}
    if before is not None and before.exposed == world.namespaces and _same_routes(parts, before.parts):
        if before.gateway.endpoints == members:
            return replace(before.gateway, weights=weights)
        return replace(before.gateway, endpoints=members, weights=weights, shape=revision)
    return NamespacePart(
        lanes={},
        ready={},
        clusters={name: each for _, part in exposed for name, each in part.clusters.items()},
        endpoints=members,
        routes=routes.gateway_routes([(namespace, part.lanes) for namespace, part in exposed]),
        weights=weights,
        shape=revision,
    )


def _same_routes(parts: Mapping[str, NamespacePart], before: Mapping[str, NamespacePart]) -> bool:
    return parts.keys() == before.keys() and all(parts[name].routes is before[name].routes for name in parts)


def _members(lane: Lane) -> set[Member]:
    return {member for target in lane.targets for member in target.chain}


def _clusters(namespace: str, plan: ServiceLanes) -> list[Resource]:
    members = {member for lane in plan.owned.values() for member in _members(lane)}
    targets = {target for lane in plan.owned.values() for target in lane.targets if len(target.chain) > 1}
    made = []
    for port, _ in plan.ports:
        names = {member: naming.member_cluster(namespace, plan.service, port, member) for member in members}
        made += [clusters.member(name, member.color) for member, name in names.items()]
        for target in targets:
            chain = tuple(names[member] for member in target.chain)
            made.append(clusters.fallback(naming.target_cluster(namespace, plan.service, port, target), chain))
    return made


def _assigned(namespace: str, lanes: Mapping[str, ServiceLanes], ready: Mapping[str, Ready]) -> Table:
    return table(
        *(resource for service, plan in lanes.items() for resource in _assignments(namespace, plan, ready[service]))
    )


def _assignments(namespace: str, plan: ServiceLanes, ready: Ready) -> list[Resource]:
    members = {member for lane in plan.owned.values() for member in _members(lane)}
    return [
        endpoints.assignment(
            clusters.member(naming.member_cluster(namespace, plan.service, port, member), member.color),
            port,
            ready.get(member, ()),
        )
        for port, _ in plan.ports
        for member in members
    ]


def _weights(world: World, namespace: str, plan: ServiceLanes) -> dict[str, int]:
    found: dict[str, int] = {}
    for color, lane in plan.owned.items():
        if len(lane.targets) > 1:
            asked = world.intents[LaneKey(namespace, plan.service, color)].weights
            for port, _ in plan.ports:
                prefix = naming.weight_prefix(namespace, plan.service, port, color)
                for target in lane.targets:
                    name = naming.target_cluster(namespace, plan.service, port, target)
                    found[f"{prefix}.{name}"] = asked.get(target.version, 0)
    return found
