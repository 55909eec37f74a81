"""Registry: the endpoints of the mesh from a Kubernetes cluster, followed for ever.

Neighbours: reflector (a kind each), catalogue (translation), bootstrap (gives `apply`).

Nothing is told before every kind has been listed once; from then on changes are told together after a short pause, so
that a rollout of a hundred pods is a few pushes. While the API server is away what is known stays.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import structlog

from mesh.sources.kubernetes.catalogue import Catalogue, Lives, Update, own_namespace
from mesh.sources.kubernetes.mirror import Changes, Mirror
from mesh.sources.kubernetes.objects import NODES, PODS, SERVICES, SLICES, Kind
from mesh.sources.kubernetes.reflector import Reflector, Server

QUIET_SECONDS: Final = 0.02
"""After a first change others are waited for so long."""

PROGRESS_SECONDS: Final = 5.0

log = structlog.get_logger("mesh.registry")


@dataclass(frozen=True)
class Condition:
    """How well the cluster is followed. `stale_since`: seconds of the clock, None while nothing is amiss."""

    synced: bool
    stale_since: float | None
    troubles: tuple[str, ...]


class Registry:
    """`apply` hears of changed endpoints. `namespaces`: the Kubernetes namespaces to look at; none means all.

    `lives`: where projects may live; pods elsewhere that claim to be of one are left out.
    """

    def __init__(
        self,
        server: Server,
        apply: Callable[[Update], None],
        *,
        clock: Callable[[], float],
        namespaces: Sequence[str] = (),
        lives: Lives = own_namespace,
    ) -> None:
        self.catalogue = Catalogue(lives)
        self._apply = apply
        self._changed = asyncio.Event()
        self._synced = asyncio.Event()
        self._reflectors: list[tuple[Kind, Reflector]] = []
        for kind in (NODES, SERVICES, SLICES, PODS):
            for namespace in namespaces if kind.namespaced and namespaces else ("",):
                reflector = Reflector(
                    server, kind.path(namespace), Mirror(kind.read), self._listener(kind), clock=clock
                )
                self._reflectors.append((kind, reflector))

    async def run(self) -> None:
        """Run for ever."""
        async with asyncio.TaskGroup() as tasks:
            for _, reflector in self._reflectors:
                tasks.create_task(reflector.run())
            tasks.create_task(self._tell_progress())
            await self._follow()

    async def wait_synced(self) -> None:
        """Return when every kind has been listed and the endpoints are told."""
        await self._synced.wait()

    def condition(self) -> Condition:
        """Return how well the cluster is followed."""
        troubled = [each for kind, each in self._reflectors if each.trouble and not _is_spared(kind, each)]
        return Condition(
            synced=self._synced.is_set(),
            stale_since=min((each.since for each in troubled), default=None),
            troubles=tuple(f"{each.path}: {each.trouble}" for each in troubled),
        )

    def view(self, now: float) -> dict[str, Any]:
        """Return the condition for people and programs; `now` is a time of the clock."""
        found = self.condition()
        since = found.stale_since
        return {
            "kind": "kubernetes",
            "synced": found.synced,
            "stale_seconds": 0.0 if since is None else round(now - since, 1),
            "troubles": list(found.troubles),
            "problems": sorted(self.catalogue.problems.values()),
            **self.catalogue.counts(),
        }

    def _listener(self, kind: Kind) -> Callable[[Changes], None]:
        def take(changes: Changes) -> None:
            self.catalogue.take(kind.plural, changes)
            self._changed.set()

        return take

    async def _follow(self) -> None:
        while True:
            await self._changed.wait()
            await asyncio.sleep(QUIET_SECONDS)
            self._changed.clear()
            if not all(each.mirror.synced or _is_spared(kind, each) for kind, each in self._reflectors):
                continue
            update = self.catalogue.update()
            if update:
                self._apply(update)
            if not self._synced.is_set():
                log.info("registry is synced", **self.catalogue.counts())
                self._synced.set()

    async def _tell_progress(self) -> None:
        """Say every few seconds what the first sync waits for."""
        while not self._synced.is_set():
            waiting = {each.path: each.trouble for kind, each in self._reflectors if not each.mirror.synced}
            log.info("waiting for the registry", waiting_for=waiting)
            await asyncio.sleep(PROGRESS_SECONDS)


def _is_spared(kind: Kind, reflector: Reflector) -> bool:
    """Nodes are read for the locality only: without the right to see them the mesh does without."""
    return kind is NODES and reflector.denied
