"""Gateway API, followed for ever: routes expose namespaces on every replica, one replica writes what is said of them.

Neighbours: gateways (verdicts), conditions (statuses), reflector (a kind each), bootstrap (gives the rest). Without the
CRDs it asks once a minute whether they have come.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

import structlog

from mesh.errors import MeshError
from mesh.model.nouns import Namespace
from mesh.sources.kubernetes import conditions
from mesh.sources.kubernetes.gateways import CONTROLLER, Lookup, Verdict, judge, ours
from mesh.sources.kubernetes.mirror import Changes, Mirror
from mesh.sources.kubernetes.objects import CLASSES, GATEWAYS, ROUTES, Json, Kind, Thing
from mesh.sources.kubernetes.reflector import Reflector, Server

LOOK_SECONDS: Final = 1.0
"""So often proxies are asked whether they have taken the routes, and Services whether they are there."""

KINDS: Final = {CLASSES.plural: "GatewayClass", GATEWAYS.plural: "Gateway", ROUTES.plural: "HTTPRoute"}

log = structlog.get_logger("mesh.gatewayapi")


class Writer(Server, Protocol):
    """What is asked of the API server; see mesh.apiserver."""

    async def apply(self, path: str, body: Json, *, force: bool = True) -> dict[str, Any]:
        """Server-side apply."""
        ...


@dataclass(frozen=True)
class Surroundings:
    """What the rest of the mesh tells and is told. `taken`: domain -> namespace, of those that no object exposes.

    `waiting`: why gateways have not taken the newest routes, in words; empty when all have. `now`: RFC 3339.
    """

    lookup: Lookup
    taken: Callable[[], Mapping[str, str]]
    expose: Callable[[Iterable[Namespace]], None]
    waiting: Callable[[], Awaitable[Sequence[str]]]
    is_leader: Callable[[], bool]
    now: Callable[[], str]


class GatewayApi:
    """`namespaces`: the Kubernetes namespaces to look at; none means all."""

    def __init__(
        self,
        server: Writer,
        around: Surroundings,
        *,
        clock: Callable[[], float],
        namespaces: Sequence[str] = (),
    ) -> None:
        self._server = server
        self._around = around
        self._changed = asyncio.Event()
        self._exposed = asyncio.Event()
        self._mirrors: dict[str, list[Mirror]] = {}
        self._reflectors: list[Reflector] = []
        for kind in (CLASSES, GATEWAYS, ROUTES):
            places = namespaces if kind.namespaced and namespaces else ("",)
            for namespace in places:
                mirror = Mirror(kind.read)
                self._mirrors.setdefault(kind.plural, []).append(mirror)
                reflector = Reflector(server, kind.path(namespace), mirror, self._note, clock=clock, patient=True)
                self._reflectors.append(reflector)

    async def run(self) -> None:
        """Run for ever."""
        async with asyncio.TaskGroup() as tasks:
            for reflector in self._reflectors:
                tasks.create_task(reflector.run())
            while True:
                await self._look()
                self._changed.clear()
                try:
                    await asyncio.wait_for(self._changed.wait(), LOOK_SECONDS)
                except TimeoutError:
                    continue

    async def wait_exposed(self) -> None:
        """Return when all that routes expose is exposed, or it is known that there is no Gateway API to be seen: before
        that a gateway would be told that hosts are gone which it serves."""
        await self._exposed.wait()

    async def _look(self) -> None:
        """Judge everything, expose what is taken, and write what has not been said yet."""
        if not all(each.mirror.synced for each in self._reflectors):
            if all(each.mirror.synced or each.absent for each in self._reflectors):
                self._exposed.set()
            return
        classes, gateways = ours(self._items(CLASSES), self._items(GATEWAYS))
        verdicts = judge(gateways, self._items(ROUTES), self._around.lookup, self._around.taken())
        self._around.expose([each.namespace for each in verdicts if each.namespace is not None])
        self._exposed.set()
        if not classes or not self._around.is_leader():
            return
        waiting, now = list(await self._around.waiting()), self._around.now()
        for item in classes:
            await self._say(CLASSES, item, conditions.class_status(item, now))
        for item in gateways:
            await self._say(GATEWAYS, item, conditions.gateway_status(item, verdicts, waiting, now))
        for item, judged in _by_route(verdicts, self._items(ROUTES)):
            await self._say(ROUTES, item, conditions.route_status(item, judged, waiting, now))

    async def _say(self, kind: Kind, item: Json, status: Json) -> None:
        """Write a status that differs from what stands there."""
        held = item.get("status") or {}
        if all(held.get(key) == value for key, value in status.items()):
            return
        metadata = item["metadata"]
        namespace, name = metadata.get("namespace", ""), metadata["name"]
        identity = {"name": name, **({"namespace": namespace} if namespace else {})}
        version = kind.root.removeprefix("/apis/")
        body = {"apiVersion": version, "kind": KINDS[kind.plural], "metadata": identity, "status": dict(status)}
        try:
            await self._server.apply(f"{kind.path(namespace)}/{name}/status", body)
        except MeshError as error:  # said again at the next look
            log.warning("status is not written", kind=kind.plural, name=name, reason=error.message)

    def _items(self, kind: Kind) -> list[Json]:
        records = (record for mirror in self._mirrors[kind.plural] for record in mirror.records.values())
        return [record.item for record in records if isinstance(record, Thing)]

    def _note(self, changes: Changes) -> None:
        self._changed.set()


def _by_route(verdicts: Iterable[Verdict], routes: Iterable[Json]) -> list[tuple[Json, list[Verdict]]]:
    """Group the verdicts; a route that was once ours and is no more gets none, which clears what we said of it."""
    found: list[tuple[Json, list[Verdict]]] = []
    by_route: dict[int, list[Verdict]] = {}
    for each in verdicts:
        by_route.setdefault(id(each.route), []).append(each)
    for route in routes:
        judged = by_route.get(id(route), [])
        told = (route.get("status") or {}).get("parents") or ()
        if judged or any(each.get("controllerName") == CONTROLLER for each in told):
            found.append((route, judged))
    return found
