"""World: all that the mesh knows at one moment, immutable; every change gives a new World. Neighbours: nouns, lanes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from operator import attrgetter, itemgetter
from typing import Any

from mesh.model.nouns import BASELINE, Endpoint, Environment, Intent, LaneKey, Namespace

Replicas = Mapping[str, Mapping[str, Endpoint]]
"""Service -> id -> endpoint."""

Ports = Mapping[tuple[str, str], Mapping[int, str]]
"""(namespace, service) -> number -> protocol."""


@dataclass(frozen=True)
class World:
    """`ports` remembers the ports of a service while it has endpoints or intents: a service whose last replica restarts
    keeps its routes. `replicas` is the endpoints once more, by namespace and service. Parts that a change does not
    touch are the same objects before and after, so that what follows from them need not be looked at again.
    """

    namespaces: Mapping[str, Namespace] = field(default_factory=dict)
    environments: Mapping[tuple[str, str], Environment] = field(default_factory=dict)
    intents: Mapping[LaneKey, Intent] = field(default_factory=dict)
    endpoints: Mapping[str, Endpoint] = field(default_factory=dict)
    ports: Ports = field(default_factory=dict)
    replicas: Mapping[str, Replicas] = field(default_factory=dict, compare=False, repr=False)

    def __post_init__(self) -> None:
        """Group the endpoints where that is not done yet."""
        if self.endpoints and not self.replicas:
            object.__setattr__(self, "replicas", _regrouped({}, self.endpoints.values(), ()))

    def with_namespace(self, namespace: Namespace) -> World:
        """Add or replace a namespace."""
        return replace(self, namespaces={**self.namespaces, namespace.name: namespace})

    def without_namespace(self, name: str) -> World:
        """Forget a namespace with its environments and intents; its endpoints stay until their node removes them."""
        world = replace(
            self,
            namespaces={key: value for key, value in self.namespaces.items() if key != name},
            environments={key: value for key, value in self.environments.items() if key[0] != name},
            intents={key: value for key, value in self.intents.items() if key.namespace != name},
        )
        return world._with_ports_of([key for key in self.ports if key[0] == name])

    def with_sourced(self, namespaces: Iterable[Namespace]) -> World:
        """Make these the namespaces that a cluster's objects expose; what was asked for over the HTTP API stands."""
        asked = {name: each for name, each in self.namespaces.items() if not each.source}
        exposed = {name: each for name, each in asked.items() if each.domain}
        merged = {**asked, **{each.name: each for each in namespaces}, **exposed}
        return self if merged == self.namespaces else replace(self, namespaces=merged)

    def exposures(self) -> list[str]:
        """Return what a cluster's objects expose, as words that are the same at every replica that knows the same."""
        return sorted(
            f"{each.domain} {each.name}/{each.entry_service}:{each.entry_port}"
            for each in self.namespaces.values()
            if each.source
        )

    def with_environment(self, environment: Environment) -> World:
        """Make a colour known, or change its base or fallback."""
        return replace(
            self, environments={**self.environments, (environment.namespace, environment.color): environment}
        )

    def without_environment(self, namespace: str, color: str) -> World:
        """Forget a colour: requests that carry it are answered by the baseline."""
        gone = (namespace, color)
        return replace(self, environments={key: value for key, value in self.environments.items() if key != gone})

    def with_intent(self, intent: Intent) -> World:
        """Replace the intent of a lane if the given one is newer; an equal or older one changes nothing."""
        held = self.intents.get(intent.key)
        if held is not None and (held.generation, held.withdrawn) >= (intent.generation, intent.withdrawn):
            return self
        world = replace(self, intents={**self.intents, intent.key: intent})
        return world._with_ports_of([(intent.key.namespace, intent.key.service)]) if intent.withdrawn else world

    def with_node(self, node: str, endpoints: Iterable[Endpoint]) -> World:
        """Replace all endpoints of a node. An id that another node registered moves to this one."""
        listed = {endpoint.id: endpoint for endpoint in endpoints}
        gone = [key for key, held in self.endpoints.items() if held.node == node and key not in listed]
        return self.with_endpoints(listed.values(), gone)

    def with_endpoints(self, present: Iterable[Endpoint], gone: Iterable[str] = ()) -> World:
        """Add or replace endpoints and remove others, by id. Work is by the services that these belong to."""
        endpoints = dict(self.endpoints)
        left = [endpoints.pop(name) for name in gone if name in endpoints]
        come = [endpoint for endpoint in present if endpoints.get(endpoint.id) != endpoint]
        left += [endpoints[endpoint.id] for endpoint in come if endpoint.id in endpoints]
        if not come and not left:
            return self
        endpoints.update({endpoint.id: endpoint for endpoint in come})
        world = replace(self, endpoints=endpoints, replicas=_regrouped(self.replicas, come, left))
        return world._with_ports_of({(each.namespace, each.service) for each in (*come, *left)})

    def with_ports(self, ports: Ports) -> World:
        """Add remembered ports, as the store kept them or as the cluster tells them, of services that are wanted."""
        wanted = self._intended() | {(each.namespace, each.service) for each in self.endpoints.values()}
        found = {key: each for key, each in ports.items() if key in wanted and key not in self.ports}
        return replace(self, ports={**self.ports, **found}) if found else self

    def keeping_endpoints(self, before: World, node_prefix: str) -> World:
        """Return this world with what an earlier one knew from a cluster: endpoints that nodes of this prefix
        registered, and namespaces that objects expose."""
        kept = [each for each in before.endpoints.values() if each.node.startswith(node_prefix)]
        sourced = [each for each in before.namespaces.values() if each.source]
        return self.with_endpoints(kept).with_ports(before.ports).with_sourced(sourced)

    def reweighted_since(self, before: World) -> list[Intent] | None:
        """Return the intents with new weights if nothing else differs from an earlier world; None if more does.

        Parts that a change did not touch are the same objects, so this looks at identities only.
        """
        parts = ("namespaces", "environments", "endpoints", "ports")
        if any(getattr(self, part) is not getattr(before, part) for part in parts):
            return None
        if len(self.intents) != len(before.intents):
            return None
        changed = []
        for key, intent in self.intents.items():
            held = before.intents.get(key)
            if intent is not held:
                if held is None or (held.versions, held.withdrawn) != (intent.versions, intent.withdrawn):
                    return None
                changed.append(intent)
        return changed

    def endpoints_since(self, before: World) -> set[str]:
        """Ids of the endpoints that differ from an earlier world: come, gone, or changed."""
        found: set[str] = set()
        for namespace in self.replicas.keys() | before.replicas.keys():
            now, then = self.replicas.get(namespace, {}), before.replicas.get(namespace, {})
            if now is then:
                continue
            for service in now.keys() | then.keys():
                mine, theirs = now.get(service, {}), then.get(service, {})
                if mine is not theirs:
                    found |= {name for name in mine.keys() | theirs.keys() if mine.get(name) != theirs.get(name)}
        return found

    def touched_since(self, before: World) -> set[str]:
        """Namespaces in which more than endpoints may differ from an earlier world: intents, colours, names, ports."""
        pairs: tuple[tuple[Mapping[Any, Any], Mapping[Any, Any], Callable[[Any], str]], ...] = (
            (self.namespaces, before.namespaces, str),
            (self.environments, before.environments, itemgetter(0)),
            (self.intents, before.intents, attrgetter("namespace")),
            (self.ports, before.ports, itemgetter(0)),
        )
        found: set[str] = set()
        for now, then, namespace in pairs:
            if now is not then:
                found |= {namespace(key) for key in now.keys() | then.keys() if now.get(key) is not then.get(key)}
        return found

    def services_since(self, before: World, namespace: str) -> set[str]:
        """Services of a namespace whose endpoints differ from an earlier world."""
        now, then = self.replicas.get(namespace, {}), before.replicas.get(namespace, {})
        if now is then:
            return set()
        return {service for service in now.keys() | then.keys() if now.get(service) is not then.get(service)}

    def replicas_of(self, namespace: str, service: str) -> Iterable[Endpoint]:
        """The endpoints of a service."""
        return self.replicas.get(namespace, {}).get(service, {}).values()

    def services(self, namespace: str) -> list[str]:
        """Names of the services that have ports, sorted."""
        return sorted(service for owner, service in self.ports if owner == namespace)

    def versions(self) -> set[tuple[str, str, str, str]]:
        """Every (namespace, service, colour, version) with a replica or in an intent; the baseline's colour is ""."""
        asked = {
            (key.namespace, key.service, key.color, version)
            for key, intent in self.intents.items()
            for version in intent.versions
            if not intent.withdrawn
        }
        return asked | {(each.namespace, each.service, each.color, each.version) for each in self.endpoints.values()}

    def _intended(self) -> set[tuple[str, str]]:
        """Services with a live intent."""
        return {(key.namespace, key.service) for key, intent in self.intents.items() if not intent.withdrawn}

    def _with_ports_of(self, services: Iterable[tuple[str, str]]) -> World:
        """Work the ports of these services out anew: what endpoints say wins over what is remembered."""
        ports = dict(self.ports)
        silent = []
        for key in services:
            members = self.replicas.get(key[0], {}).get(key[1], {})
            said = {port.port: port.protocol for endpoint in members.values() for port in endpoint.ports}
            if said and said != ports.get(key):
                ports[key] = said
            elif not members:
                silent.append(key)
        intended = self._intended() if silent else set()
        for key in silent:
            if key not in intended:
                ports.pop(key, None)
        return self if ports == self.ports else replace(self, ports=ports)

    def colors(self, namespace: str) -> list[str]:
        """Known colours without the baseline, sorted."""
        return sorted(color for owner, color in self.environments if owner == namespace and color != BASELINE)


def _regrouped(
    before: Mapping[str, Replicas], come: Iterable[Endpoint], left: Iterable[Endpoint]
) -> Mapping[str, Replicas]:
    """Group anew what has changed; groups that become empty are dropped."""
    changed: dict[tuple[str, str], dict[str, Endpoint]] = {}

    def group(endpoint: Endpoint) -> dict[str, Endpoint]:
        namespace, service = endpoint.namespace, endpoint.service
        if (namespace, service) not in changed:
            changed[namespace, service] = dict(before.get(namespace, {}).get(service, {}))
        return changed[namespace, service]

    for endpoint in left:
        group(endpoint).pop(endpoint.id, None)
    for endpoint in come:
        group(endpoint)[endpoint.id] = endpoint
    spaces = {namespace: dict(before.get(namespace, {})) for namespace, _ in changed}
    for (namespace, service), members in changed.items():
        spaces[namespace][service] = members
        if not members:
            del spaces[namespace][service]
    merged = {**before, **spaces}
    return {namespace: services for namespace, services in merged.items() if services}
