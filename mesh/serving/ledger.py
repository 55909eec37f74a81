"""Ledger: at which revision each intent and endpoint last changed, and which proxies must have accepted that. Pure.

An intent is programmed when every relevant proxy has settled at its revision or a later one. Relevant are gateways
and the sidecars of the namespace: all that are connected, and those that should be (registered as ready; gateways seen
within the lease). A proxy that is away longer than the lease of the weights has gone back to the stable release.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from mesh.model.nouns import LaneKey, State, read_color
from mesh.model.world import World
from mesh.translation.runtime import LEASE_SECONDS

RETURN_SECONDS = 3.0
"""Proxies try again each second at the latest: after a restart of the mesh a gateway is expected for so long."""

GONE_REMEMBERED = 10_000
"""Endpoints that have left and are still remembered, so that a mesh that runs for months does not grow."""


@dataclass(frozen=True)
class Standing:
    """A connected proxy: what it has settled at, and why not later. `namespace` is "" for a gateway.

    `refused`: lanes that it could not settle, and its words; these wait, the others do not.
    """

    proxy: str
    namespace: str
    revision: int
    waiting_on: tuple[str, ...] = ()
    refused: Mapping[LaneKey, str] = field(default_factory=dict)


class Ledger:
    """`now` is in seconds of any monotonic clock. What was loaded at the start changed at the first revision."""

    def __init__(self, world: World, revision: int, now: float, lease: float = LEASE_SECONDS) -> None:
        self._start = revision
        self._lease = lease
        self._return_until = now
        self._intents: dict[LaneKey, int] = dict.fromkeys(world.intents, revision)
        self._endpoints: dict[str, int] = dict.fromkeys(world.endpoints, revision)
        self._gateways: dict[str, float] = {}

    def open(self, now: float) -> None:
        """Proxies may connect from now on. Sidecars are known by their endpoints; which gateways there are is not."""
        self._return_until = now + RETURN_SECONDS

    def note(self, before: World, after: World, revision: int) -> None:
        """Note what differs between two worlds."""
        for key, intent in after.intents.items():
            held = before.intents.get(key)
            if held is not intent and held != intent:
                self._intents[key] = revision
        for key in before.intents.keys() - after.intents.keys():
            self._intents[key] = revision
        if before.endpoints is not after.endpoints:
            for name in before.endpoints.keys() | after.endpoints.keys():
                if before.endpoints.get(name) != after.endpoints.get(name):
                    self._endpoints.pop(name, None)  # to the end: the order is that of the last change
                    self._endpoints[name] = revision
            self._forget_gone(after)

    def _forget_gone(self, world: World) -> None:
        """Keep the latest of those that left: a replica's withdrawal is asked for while it goes, not hours later."""
        gone = [name for name in self._endpoints if name not in world.endpoints]
        for name in gone[:-GONE_REMEMBERED]:
            del self._endpoints[name]

    def seen(self, proxy: str, now: float) -> None:
        """Remember a gateway, at its coming and at its going."""
        if proxy.startswith("gateway/"):
            self._gateways[proxy] = now

    def waiting_on_intent(self, key: LaneKey, world: World, standings: Iterable[Standing], now: float) -> list[str]:
        """Who has not accepted the newest intent of the lane."""
        return self._waiting(key, self._intents.get(key, self._start), world, standings, now)

    def waiting_on_endpoint(
        self, endpoint_id: str, world: World, standings: Iterable[Standing], now: float
    ) -> list[str]:
        """Who has not accepted the newest state of the endpoint; nobody for one that was never known."""
        if endpoint_id not in self._endpoints:
            return []
        namespace, service, color = (*endpoint_id.split("/"), "", "")[:3]
        found = self._waiting(
            LaneKey(namespace, service, read_color(color)), self._endpoints[endpoint_id], world, standings, now
        )
        if not found and endpoint_id not in world.endpoints:
            del self._endpoints[endpoint_id]  # gone from everywhere: no need to remember
        return found

    def _waiting(
        self, lane: LaneKey, revision: int, world: World, standings: Iterable[Standing], now: float
    ) -> list[str]:
        relevant = [each for each in standings if each.namespace in ("", lane.namespace)]
        found = [
            f"{each.proxy}: {reason}"
            for each in relevant
            if each.revision < revision
            for reason in each.waiting_on or ("not yet told",)
        ]
        found += [
            f"{each.proxy}: {each.refused[lane]}"
            for each in relevant
            if each.revision >= revision and lane in each.refused
        ]
        if not self._gateways and now < self._return_until:
            found.append("gateways: the mesh has just started, they may still come back")
        connected = {each.proxy for each in relevant}
        return found + [f"{name}: not connected" for name in self._expected(lane.namespace, world, now) - connected]

    def _expected(self, namespace: str, world: World, now: float) -> set[str]:
        ready = {
            each.id for each in world.endpoints.values() if each.namespace == namespace and each.state is State.READY
        }
        return ready | {name for name, seen in self._gateways.items() if now - seen < self._lease}
