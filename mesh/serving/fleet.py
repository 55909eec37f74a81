"""Fleet: what all live replicas of the mesh say about their proxies, joined. Neighbours: hub (this replica's proxies),
peers (asks the others over HTTP), api.

Each replica accounts for the proxies connected to it. Who must be connected *somewhere* is known to all: it stands in
the world. A replica that does not answer, or has not come as far as the change in question, may hold proxies that have
not accepted it: it is waited for by name. Of a replica that went, its proxies are, until they are back at another or
their time is over (docs/decisions/0064-standings.md).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from mesh.model.nouns import Intent, LaneKey, State
from mesh.model.replicas import Roll
from mesh.serving.hub import Hub
from mesh.serving.ledger import behind_of, lane_of_endpoint

SILENT = "does not answer"
BEHIND = "has not taken the change yet"


@dataclass(frozen=True)
class Account:
    """One replica about its own proxies and one intent or endpoint.

    `position` and `generation`: how far it has come; `away`: it, too, knows that the endpoint takes no requests.
    `connected` is None where the asker knows the list of that number of `arrivals` already.
    """

    position: int
    arrivals: int
    waiting_on: tuple[str, ...]
    connected: frozenset[str] | None
    generation: int = 0
    away: bool = True


class Peers(Protocol):
    """Asks another replica. See mesh.serving.peers."""

    async def ask(self, url: str, path: str, query: Mapping[str, str]) -> Mapping[str, Any] | None:
        """Return its answer, None when there is none."""
        ...

    async def close(self) -> None:
        """Close the connections."""
        ...


class Alone(Peers):
    """There are no others."""

    async def ask(self, url: str, path: str, query: Mapping[str, str]) -> Mapping[str, Any] | None:
        """Nobody answers."""
        return None

    async def close(self) -> None:
        """Nothing is open."""


class Fleet:
    """Answers for all replicas. `roll` is replaced as replicas come and go; without any, the hub answers alone."""

    def __init__(self, hub: Hub, peers: Peers | None = None, name: str = "") -> None:
        self.hub = hub
        self.name = name
        self.roll = Roll()
        self._peers = peers or Alone()
        self._connected: dict[str, tuple[int, frozenset[str]]] = {}  # by replica: arrivals, and who was there then

    def note(self, roll: Roll) -> None:
        """Take in who the others are now."""
        self.roll = roll
        self._connected = {name: known for name, known in self._connected.items() if name in roll.live}
        now = self.hub.clock()
        for gateway, age in roll.gateways.items():
            self.hub.ledger.seen(gateway, now - age)

    async def close(self) -> None:
        """Close the connections to the others."""
        await self._peers.close()

    # This replica's part

    def account(self, key: LaneKey | None, endpoint: str = "", since: int = -1) -> Account:
        """Return what this replica says, to one that knows its proxies as of `since` arrivals."""
        hub, ledger = self.hub, self.hub.ledger
        standings = hub.proxies()
        if key is not None:
            waiting = behind_of(key, ledger.mark_of_intent(key).revision, standings)
        else:
            waiting = behind_of(lane_of_endpoint(endpoint), ledger.mark_of_endpoint(endpoint).revision, standings)
        intent = hub.intent(key) if key is not None else None
        held = hub.world.endpoints.get(endpoint)
        return Account(
            position=hub.position,
            arrivals=hub.arrivals,
            waiting_on=tuple(waiting),
            connected=None if since == hub.arrivals else frozenset(hub.connected()),
            generation=intent.generation if intent else 0,
            away=held is None or held.state is not State.READY,
        )

    # All replicas

    async def waiting_on_intent(self, intent: Intent, *, briefly: bool = False) -> list[str]:
        """Who has not accepted the intent, at any replica. `briefly`: ask no other while this one waits already."""
        if not self.roll.live and not self.roll.owed:
            return self.hub.waiting_on_intent(intent)
        key, mine = intent.key, self.account(intent.key)
        if briefly and mine.waiting_on:
            return list(mine.waiting_on)
        position = self.hub.ledger.mark_of_intent(key).position
        query = {"namespace": key.namespace, "service": key.service, "color": key.color}
        theirs = await self._ask_all("intent", query)
        return self._join(
            key.namespace, mine, theirs, lambda one: one.position >= position and one.generation >= intent.generation
        )

    async def waiting_on_endpoint(self, endpoint_id: str) -> list[str]:
        """Who may still send requests to an endpoint that has left."""
        if not self.roll.live and not self.roll.owed:
            return self.hub.waiting_on_endpoint(endpoint_id)
        ledger, mine = self.hub.ledger, self.account(None, endpoint_id)
        position, known = ledger.mark_of_endpoint(endpoint_id).position, ledger.knows(endpoint_id)
        theirs = await self._ask_all("endpoint", {"id": endpoint_id})
        namespace = lane_of_endpoint(endpoint_id).namespace
        found = self._join(namespace, mine, theirs, lambda one: one.position >= position and one.away, absent=known)
        ledger.settle(endpoint_id, self.hub.world, found)
        return found

    async def listings(self) -> tuple[dict[str, Sequence[Mapping[str, Any]]], list[str]]:
        """Return replica -> how its proxies stand, of all others, and the ids of those that do not answer."""
        found, silent = {}, []
        for name, answer in (await self._each("proxies", lambda _: {})).items():
            if answer is None:
                silent.append(name)
            else:
                found[name] = answer["proxies"]
        return found, silent

    async def gateways(self) -> tuple[list[Mapping[str, Any]], list[str]]:
        """Return how gateways of the other replicas stand, and, in words, which replicas do not answer or do not expose
        what this one does."""
        mine, rows, behind = self.hub.world.exposures(), list[Mapping[str, Any]](), list[str]()
        for name, answer in sorted((await self._each("proxies", lambda _: {})).items()):
            if answer is None:
                behind.append(f"mesh replica {name}: {SILENT}")
                continue
            rows += (row for row in answer["proxies"] if not row["namespace"])
            if answer.get("exposed", mine) != mine:
                behind.append(f"mesh replica {name}: {BEHIND}")
        return rows, behind

    def _join(
        self,
        namespace: str,
        mine: Account,
        theirs: Mapping[str, Account | None],
        has_come_as_far: Callable[[Account], bool],
        *,
        absent: bool = True,
    ) -> list[str]:
        found, connected = list(mine.waiting_on), set(mine.connected or ())
        for name, account in sorted(theirs.items()):
            if account is None:
                found.append(f"mesh replica {name}: {SILENT}")
                continue
            connected |= account.connected or frozenset()
            found += account.waiting_on if has_come_as_far(account) else [f"mesh replica {name}: {BEHIND}"]
        missing = self.hub.ledger.absent(namespace, self.hub.world, connected, self.hub.clock()) if absent else []
        owed = [
            f"{proxy}: not back since its mesh replica went"
            for proxy, owner in sorted(self.roll.owed.items())
            if owner in ("", namespace) and proxy not in connected and f"{proxy}: not connected" not in missing
        ]
        return found + missing + owed

    async def _ask_all(self, path: str, query: Mapping[str, str]) -> dict[str, Account | None]:
        def since(name: str) -> dict[str, str]:
            return {**query, "since": str(self._connected[name][0] if name in self._connected else -1)}

        answers = await self._each(path, since)
        return {name: None if answer is None else self._read(name, answer) for name, answer in answers.items()}

    async def _each(self, path: str, query: Callable[[str], Mapping[str, str]]) -> dict[str, Mapping[str, Any] | None]:
        live = dict(self.roll.live)
        answers = await asyncio.gather(*(self._peers.ask(url, path, query(name)) for name, url in live.items()))
        # One that went while it was asked is not waited for: its proxies are owed by now.
        return {name: answer for name, answer in zip(live, answers, strict=True) if answer or name in self.roll.live}

    def _read(self, name: str, answer: Mapping[str, Any]) -> Account:
        arrivals, connected = int(answer["arrivals"]), answer["connected"]
        if connected is not None:
            self._connected[name] = (arrivals, frozenset(connected))
        known = self._connected.get(name)
        return Account(
            position=int(answer["position"]),
            arrivals=arrivals,
            waiting_on=tuple(answer["waiting_on"]),
            connected=known[1] if known and known[0] == arrivals else frozenset(),
            generation=int(answer["generation"]),
            away=bool(answer["away"]),
        )
