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
from mesh.translation.endpoints import Replicas, ready_replicas
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
    """What all proxies that serve a namespace share."""

    lanes: Mapping[str, ServiceLanes]
    replicas: Replicas
    clusters: Table
    endpoints: Table
    routes: Resource
    weights: Weights


@dataclass(frozen=True)
class Translation:
    """The whole world, translated."""

    revision: int
    world: World
    parts: Mapping[str, NamespacePart]
    gateway: NamespacePart
    exposed: Mapping[str, Namespace]
    shape: int

    def view(self, proxy: Proxy) -> View:
        """Return what the proxy should have."""
        if isinstance(proxy, Gateway):
            doors = table(listeners.gateway(proxy.address, proxy.port))
            return self._view(self.gateway, self.gateway.clusters, doors, self._gateway_ways())
        part = self.parts.get(proxy.namespace) or _namespace_part(World(), proxy.namespace)
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
        return View(self.revision, tables, part.weights, self.shape, ways)


def translate(world: World, revision: int, before: Translation | None = None) -> Translation:
    """Translate the world. What is as in `before` is taken from there; of new weights nothing else is looked at."""
    reweighted = world.reweighted_since(before.world) if before else None
    if before and reweighted is not None:
        return _with_weights(before, world, revision, reweighted)
    names = {*world.namespaces, *(namespace for namespace, _ in world.ports)}
    known = before.parts if before else {}
    parts = {name: _namespace_part(world, name, known.get(name)) for name in sorted(names)}
    return Translation(revision, world, parts, _gateway_part(world, parts, before), world.namespaces, revision)


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


def _namespace_part(world: World, namespace: str, before: NamespacePart | None = None) -> NamespacePart:
    lanes = {service: service_lanes(world, namespace, service) for service in world.services(namespace)}
    replicas = ready_replicas([each for each in world.endpoints.values() if each.namespace == namespace])
    weights = {key: value for plan in lanes.values() for key, value in _weights(world, namespace, plan).items()}
    if before is None or lanes != before.lanes:
        made = table(*(resource for plan in lanes.values() for resource in _clusters(namespace, plan)))
        assigned = _assigned(namespace, lanes, replicas)
        return NamespacePart(lanes, replicas, made, assigned, routes.sidecar_routes(namespace, lanes), weights)
    if replicas != before.replicas:
        return replace(before, replicas=replicas, endpoints=_assigned(namespace, lanes, replicas), weights=weights)
    return replace(before, weights=weights)


def _gateway_part(world: World, parts: Mapping[str, NamespacePart], before: Translation | None) -> NamespacePart:
    exposed = [(world.namespaces[name], parts[name]) for name in sorted(world.namespaces)]
    weights = {key: value for _, part in exposed for key, value in part.weights.items()}
    if before is not None and before.exposed == world.namespaces and _same_routes(parts, before.parts):
        endpoints_ = {name: each for _, part in exposed for name, each in part.endpoints.items()}
        kept = before.gateway.endpoints == endpoints_
        return replace(before.gateway, endpoints=before.gateway.endpoints if kept else endpoints_, weights=weights)
    return NamespacePart(
        lanes={},
        replicas={},
        clusters={name: each for _, part in exposed for name, each in part.clusters.items()},
        endpoints={name: each for _, part in exposed for name, each in part.endpoints.items()},
        routes=routes.gateway_routes([(namespace, part.lanes) for namespace, part in exposed]),
        weights=weights,
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


def _assigned(namespace: str, lanes: Mapping[str, ServiceLanes], replicas: Replicas) -> Table:
    return table(*(resource for plan in lanes.values() for resource in _assignments(namespace, plan, replicas)))


def _assignments(namespace: str, plan: ServiceLanes, replicas: Replicas) -> list[Resource]:
    members = {member for lane in plan.owned.values() for member in _members(lane)}
    return [
        endpoints.assignment(
            clusters.member(naming.member_cluster(namespace, plan.service, port, member), member.color),
            port,
            replicas.get((plan.service, member), ()),
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
