"""Following a cluster: its registry and Gateway API, joined to the hub. Neighbours: sources.kubernetes, serving."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime

from mesh.apiserver import ApiServer
from mesh.model.nouns import Namespace
from mesh.serving.fleet import Fleet
from mesh.sources.kubernetes.catalogue import Lives, Update
from mesh.sources.kubernetes.gatewayapi import GatewayApi, Surroundings
from mesh.sources.kubernetes.registry import Registry


class Cluster:
    """`registry` and `gateway_api` run beside each other; both change the world of the fleet's hub.

    `is_serving`: proxies may connect here; before that this replica knows of none, and says nothing of routes.
    """

    def __init__(
        self,
        server: ApiServer,
        fleet: Fleet,
        clock: Callable[[], float],
        lives: Lives,
        namespaces: Sequence[str] = (),
    ) -> None:
        self._fleet = fleet
        self.is_serving = False
        self._exposed_at = 0
        self._taken_at = -1
        self.registry = Registry(server, self._apply, clock=clock, namespaces=namespaces, lives=lives)
        around = Surroundings(
            lookup=self.registry.catalogue.service,
            taken=self._taken,
            expose=self._expose,
            waiting=self.waiting,
            is_leader=lambda: self.is_serving and (not fleet.roll.live or fleet.roll.leader == fleet.name),
            now=lambda: datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        )
        self.gateway_api = GatewayApi(server, around, clock=clock, namespaces=namespaces)

    def _apply(self, update: Update) -> None:
        hub = self._fleet.hub
        hub.apply(hub.world.with_endpoints(update.present, update.gone).with_ports(update.ports))

    def _expose(self, namespaces: Iterable[Namespace]) -> None:
        hub = self._fleet.hub
        world = hub.world.with_sourced(namespaces)
        if world is not hub.world:
            hub.apply(world)
            self._exposed_at = hub.revision

    def _taken(self) -> Mapping[str, str]:
        known = self._fleet.hub.world.namespaces.values()
        return {each.domain: each.name for each in known if each.domain and not each.source}

    async def waiting(self) -> list[str]:
        """Gateways that have not taken what was exposed last; of one that has, later changes are no matter. Replicas of
        the mesh, too, that do not answer or do not expose the same yet: their gateways cannot have taken it."""
        own = [each for each in self._fleet.hub.proxies() if not each.namespace]
        if own and self._taken_at == self._exposed_at:
            return []
        others, behind = await self._fleet.gateways() if self._fleet.roll.live else ([], [])
        if not own and not others:
            return behind or ["no gateway is connected"]
        if self._taken_at == self._exposed_at:
            return []
        late = behind + [
            f"{each.proxy}: has not acknowledged it yet" for each in own if each.revision < self._exposed_at
        ]
        late += [f"{row['id']}: has not acknowledged it yet" for row in others if not row["synced"]]
        if not late:
            self._taken_at = self._exposed_at
        return late
