"""World: all that the mesh knows at one moment, immutable; every change gives a new World. Neighbours: nouns, lanes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from mesh.model.nouns import BASELINE, Endpoint, Environment, Intent, LaneKey, Namespace


@dataclass(frozen=True)
class World:
    """`ports` remembers the ports of a service, (namespace, service) -> number -> protocol, while it has endpoints
    or intents: a service whose last replica restarts keeps its routes."""

    namespaces: Mapping[str, Namespace] = field(default_factory=dict)
    environments: Mapping[tuple[str, str], Environment] = field(default_factory=dict)
    intents: Mapping[LaneKey, Intent] = field(default_factory=dict)
    endpoints: Mapping[str, Endpoint] = field(default_factory=dict)
    ports: Mapping[tuple[str, str], Mapping[int, str]] = field(default_factory=dict)

    def with_namespace(self, namespace: Namespace) -> World:
        """Add or replace a namespace."""
        return replace(self, namespaces={**self.namespaces, namespace.name: namespace})

    def without_namespace(self, name: str) -> World:
        """Forget a namespace with its environments and intents; its endpoints stay until their node removes them."""
        return replace(
            self,
            namespaces={key: value for key, value in self.namespaces.items() if key != name},
            environments={key: value for key, value in self.environments.items() if key[0] != name},
            intents={key: value for key, value in self.intents.items() if key.namespace != name},
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
        return replace(self, intents={**self.intents, intent.key: intent})

    def with_node(self, node: str, endpoints: Iterable[Endpoint]) -> World:
        """Replace all endpoints of a node. An id that another node registered moves to this one."""
        listed = {endpoint.id: endpoint for endpoint in endpoints}
        kept = {key: value for key, value in self.endpoints.items() if value.node != node and key not in listed}
        world = replace(self, endpoints={**kept, **listed})
        return replace(world, ports=_ports(world))

    def with_ports(self, ports: Mapping[tuple[str, str], Mapping[int, str]]) -> World:
        """Add remembered ports, as the store kept them; those of services that are gone are dropped."""
        world = replace(self, ports={**ports, **self.ports})
        return replace(world, ports=_ports(world))

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

    def colors(self, namespace: str) -> list[str]:
        """Known colours without the baseline, sorted."""
        return sorted(color for owner, color in self.environments if owner == namespace and color != BASELINE)


def _ports(world: World) -> Mapping[tuple[str, str], Mapping[int, str]]:
    """Ports of services with endpoints or a live intent; what endpoints say wins over what is remembered."""
    wanted = {(intent.key.namespace, intent.key.service) for intent in world.intents.values() if not intent.withdrawn}
    wanted |= {(endpoint.namespace, endpoint.service) for endpoint in world.endpoints.values()}
    said: dict[tuple[str, str], dict[int, str]] = {}
    for endpoint in world.endpoints.values():
        known = said.setdefault((endpoint.namespace, endpoint.service), {})
        known.update({port.port: port.protocol for port in endpoint.ports})
    return {key: said.get(key) or world.ports[key] for key in wanted if said.get(key) or key in world.ports}
