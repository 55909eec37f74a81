"""Ledger: at which revision each intent and endpoint last changed, and which proxies must have accepted that. Pure.

An intent is programmed when every relevant proxy has settled at its revision or a later one. Relevant are gateways
and the sidecars of the namespace: all that are connected, and those that should be (registered as ready; gateways seen
within the lease). A proxy that is away longer than the lease of the weights has gone back to the stable release.

Revisions are this replica's own. A `position` is Redis' number of a change, the same for all replicas: by it one
replica asks another whether it has come as far (`serving.fleet`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
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


@dataclass(frozen=True)
class Mark:
    """When something last changed: at which revision of ours, and at which position of all."""

    revision: int
    position: int = 0


class Ledger:
    """`now` is in seconds of any monotonic clock. What was loaded at the start changed at the first revision.

    `absence`: seconds that a gateway which is not connected is waited for; by default the lease of the weights.
    """

    def __init__(
        self, world: World, revision: int, now: float, lease: float = LEASE_SECONDS, absence: float | None = None
    ) -> None:
        self._start = Mark(revision)
        self._absence = lease if absence is None else min(absence, lease)
        self._return_until = now
        self._intents: dict[LaneKey, Mark] = dict.fromkeys(world.intents, self._start)
        self._endpoints: dict[str, Mark] = dict.fromkeys(world.endpoints, self._start)
        self._gateways: dict[str, float] = {}

    def open(self, now: float) -> None:
        """Proxies may connect from now on. Sidecars are known by their endpoints; which gateways there are is not."""
        self._return_until = now + RETURN_SECONDS

    def note(self, before: World, after: World, revision: int, position: int = 0) -> None:
        """Note what differs between two worlds."""
        mark = Mark(revision, position)
        for key, intent in after.intents.items():
            held = before.intents.get(key)
            if held is not intent and held != intent:
                self._intents[key] = mark
        for key in before.intents.keys() - after.intents.keys():
            self._intents[key] = mark
        if before.endpoints is not after.endpoints:
            for name in after.endpoints_since(before):
                self._endpoints.pop(name, None)  # to the end: the order is that of the last change
                self._endpoints[name] = mark
            self._forget_gone(after)

    def _forget_gone(self, world: World) -> None:
        """Keep the latest of those that left: a replica's withdrawal is asked for while it goes, not hours later."""
        if len(self._endpoints) - len(world.endpoints) <= GONE_REMEMBERED:
            return
        gone = [name for name in self._endpoints if name not in world.endpoints]
        for name in gone[:-GONE_REMEMBERED]:
            del self._endpoints[name]

    def seen(self, proxy: str, now: float) -> None:
        """Remember a gateway, at its coming and at its going; `now` may lie back, where another replica saw it."""
        if proxy.startswith("gateway/"):
            self._gateways[proxy] = max(now, self._gateways.get(proxy, now))

    # What is waited for

    def mark_of_intent(self, key: LaneKey) -> Mark:
        """When the lane's intent last changed."""
        return self._intents.get(key, self._start)

    def mark_of_endpoint(self, endpoint_id: str) -> Mark:
        """When an endpoint last changed. One that was never known here may still be used by proxies that have come
        from another life of the mesh: these have it no more once they have settled at all."""
        return self._endpoints.get(endpoint_id, Mark(min(1, self._start.revision)))

    def waiting_on_intent(self, key: LaneKey, world: World, standings: Iterable[Standing], now: float) -> list[str]:
        """Who has not accepted the newest intent of the lane."""
        standings = list(standings)
        behind = behind_of(key, self.mark_of_intent(key).revision, standings)
        return behind + self.absent(key.namespace, world, {each.proxy for each in standings}, now)

    def waiting_on_endpoint(
        self, endpoint_id: str, world: World, standings: Iterable[Standing], now: float
    ) -> list[str]:
        """Who has not accepted the newest state of the endpoint; for one never known, who has accepted nothing yet."""
        standings, lane = list(standings), lane_of_endpoint(endpoint_id)
        behind = behind_of(lane, self.mark_of_endpoint(endpoint_id).revision, standings)
        if endpoint_id not in self._endpoints:
            return behind
        found = behind + self.absent(lane.namespace, world, {each.proxy for each in standings}, now)
        self.settle(endpoint_id, world, found)
        return found

    def settle(self, endpoint_id: str, world: World, waiting: Sequence[str]) -> None:
        """Forget an endpoint that is gone from everywhere: no need to remember."""
        if not waiting and endpoint_id not in world.endpoints:
            self._endpoints.pop(endpoint_id, None)

    def knows(self, endpoint_id: str) -> bool:
        """Whether the endpoint is here, or has left and is still remembered."""
        return endpoint_id in self._endpoints

    def absent(self, namespace: str, world: World, connected: AbstractSet[str], now: float) -> list[str]:
        """Proxies that should be connected somewhere and are not, in words for people."""
        found = []
        if not self._gateways and now < self._return_until:
            found.append("gateways: the mesh has just started, they may still come back")
        return found + [f"{name}: not connected" for name in sorted(self._expected(namespace, world, now) - connected)]

    def _expected(self, namespace: str, world: World, now: float) -> set[str]:
        ready = {
            each.id for each in world.endpoints.values() if each.namespace == namespace and each.state is State.READY
        }
        return ready | {name for name, seen in self._gateways.items() if now - seen < self._absence}


def behind_of(lane: LaneKey, revision: int, standings: Iterable[Standing]) -> list[str]:
    """Connected proxies that have not accepted a revision for a lane, and why."""
    relevant = [each for each in standings if each.namespace in ("", lane.namespace)]
    found = [
        f"{each.proxy}: {reason}"
        for each in relevant
        if each.revision < revision
        for reason in each.waiting_on or ("not yet told",)
    ]
    return found + [
        f"{each.proxy}: {each.refused[lane]}" for each in relevant if each.revision >= revision and lane in each.refused
    ]


def lane_of_endpoint(endpoint_id: str) -> LaneKey:
    """Return the lane that an endpoint's id names."""
    namespace, service, color = (*endpoint_id.split("/"), "", "")[:3]
    return LaneKey(namespace, service, read_color(color))
