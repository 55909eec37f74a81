"""The xDS client side of Envoy as far as order matters: warming, withheld ACKs, silence after a changed cluster.

It checks what a wrong order would break: a route to a cluster that is not there or not warm, a removed cluster that a
route still uses, a NACKed resource that is sent again. Resources carry JSON instead of protobuf (`fake_resource`).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from mesh.serving.exchange import Request, Response
from mesh.translation.naming import RUNTIME_LAYER
from mesh.translation.resources import CLUSTER, ENDPOINTS, LISTENER, ROUTES, RUNTIME, Resource, table
from mesh.translation.views import View


def fake_resource(name: str, content: str = "", needs: Iterable[str] = (), routes: str = "") -> Resource:
    """A resource whose wire form the fake client can read."""
    needs = tuple(sorted(needs))
    body = {"name": name, "content": content, "needs": needs, "routes": routes}
    version = hashlib.sha256(json.dumps(body).encode()).hexdigest()[:8]
    return Resource(name, version, json.dumps({**body, "version": version}).encode(), needs)


def fake_view(revision: int, clusters: Mapping[str, str], *, endpoints: str = "e", weight: int = 0) -> View:
    """A view of clusters (name -> content), one route table that uses them all, and a weight for each."""
    tables = {
        CLUSTER: table(*(fake_resource(name, content) for name, content in clusters.items())),
        ENDPOINTS: table(*(fake_resource(name, f"{endpoints} of {content}") for name, content in clusters.items())),
        LISTENER: table(fake_resource("out", routes="ways")),
        ROUTES: table(fake_resource("ways", needs=clusters)),
    }
    return View(revision, tables, {f"w.{name}": weight for name in clusters})


@dataclass
class FakeEnvoy:
    """`outbox` holds requests that are on their way to the server. `refuses` holds resource contents it NACKs."""

    outbox: list[Request] = field(default_factory=list)
    refuses: set[str] = field(default_factory=set)
    state: dict[str, dict[str, dict[str, Any]]] = field(
        default_factory=lambda: {url: {} for url in (CLUSTER, ENDPOINTS, LISTENER, ROUTES, RUNTIME)}
    )
    warming: set[str] = field(default_factory=set)
    active: set[str] = field(default_factory=set)  # a changed cluster serves as it was until the new one is warm
    refused: list[str] = field(default_factory=list)
    received: int = 0
    _owed_acks: list[str] = field(default_factory=list)
    _asked: set[str] = field(default_factory=set)

    def connect(self) -> None:
        """Open a stream: what it has from an earlier one stays in use and is told to the server."""
        self.outbox, self._owed_acks, self._asked = [], [], set()
        self._first(RUNTIME, [RUNTIME_LAYER])
        self._first(CLUSTER, [])
        if self.state[CLUSTER]:
            self._first(ENDPOINTS, sorted(self.state[CLUSTER]))
        if self.state[LISTENER]:
            self._go_on()

    def _first(self, url: str, names: list[str]) -> None:
        known = {name: item["version"] for name, item in self.state[url].items() if not names or name in names}
        self._asked.add(url)
        self.outbox.append(Request(url, subscribe=tuple(names), initial_versions=known))

    def take(self, response: Response) -> None:
        """Apply a response as Envoy does."""
        self.received += 1
        items = [json.loads(wire) for wire in response.resources]
        bad = [item["name"] for item in items if item["content"] in self.refuses]
        again = [item["content"] for item in items if item["content"] in self.refused]
        assert not again, f"NACKed content was sent again: {again}"
        good = [item for item in items if item["name"] not in bad]
        take = {
            CLUSTER: self._take_clusters,
            ENDPOINTS: self._take_endpoints,
            LISTENER: self._take_listeners,
            ROUTES: self._take_routes,
            RUNTIME: self._take_plain,
        }[response.type_url]
        take(good, response.removed)
        if bad:
            self.refused += [item["content"] for item in items if item["name"] in bad]
            self._answer(response, f"Error adding {', '.join(bad)}: refused")
        elif response.type_url == CLUSTER and self.warming:
            self._owed_acks.append(response.nonce)
        else:
            self._answer(response, None)

    def _answer(self, response: Response, error: str | None) -> None:
        self.outbox.append(Request(response.type_url, nonce=response.nonce, error=error))

    def _take_clusters(self, items: list[dict[str, Any]], removed: Iterable[str]) -> None:
        asked = set(self.state[ENDPOINTS]) | self.warming | set(self.state[CLUSTER])
        fetched = [item for item in items if not item.get("aggregate")]  # the others are warm when their members are
        new = [item["name"] for item in fetched if item["name"] not in asked]
        had = self.state[CLUSTER]
        self.warming.update(item["name"] for item in fetched if had.get(item["name"]) != item)  # the same is no change
        self._put(CLUSTER, items)
        used = {need for item in self.state[ROUTES].values() for need in item["needs"]}
        for name in removed:
            assert name not in used, f"cluster {name} was removed while a route uses it"
            self.state[CLUSTER].pop(name, None)
            self.state[ENDPOINTS].pop(name, None)
            self.warming.discard(name)
            self.active.discard(name)
        gone = tuple(removed)
        if ENDPOINTS not in self._asked and new:
            self._first(ENDPOINTS, new)
        elif new or gone:
            self.outbox.append(Request(ENDPOINTS, subscribe=tuple(new), unsubscribe=gone))
        self._warmed()

    def _take_endpoints(self, items: list[dict[str, Any]], removed: Iterable[str]) -> None:
        wanted = self.state[CLUSTER]  # what it has unsubscribed from meanwhile, Envoy passes over
        self._put(ENDPOINTS, [item for item in items if item["name"] in wanted])
        self.warming.difference_update(item["name"] for item in items)
        self.warming.difference_update(removed)  # Envoy counts an empty update and starts the cluster without hosts
        self._warmed()

    def _warmed(self) -> None:
        self.active |= self.state[CLUSTER].keys() - self.warming
        if self.warming:
            return
        for nonce in self._owed_acks:
            self.outbox.append(Request(CLUSTER, nonce=nonce))
        self._owed_acks = []
        if LISTENER not in self._asked:
            self._go_on()

    def _go_on(self) -> None:
        self._first(LISTENER, [])
        names = sorted({item["routes"] for item in self.state[LISTENER].values()})
        if names:
            self._first(ROUTES, names)

    def _take_listeners(self, items: list[dict[str, Any]], removed: Iterable[str]) -> None:
        self._put(LISTENER, items)
        names = sorted({item["routes"] for item in items} - set(self.state[ROUTES]))
        if names and ROUTES not in self._asked:
            self._first(ROUTES, names)
        elif names:
            self.outbox.append(Request(ROUTES, subscribe=tuple(names)))
        for name in removed:
            self.state[LISTENER].pop(name, None)

    def _take_routes(self, items: list[dict[str, Any]], removed: Iterable[str]) -> None:
        for item in items:
            for name in item["needs"]:
                assert name in self.active, f"route to {name}, which is not there or not warm"
        self._put(ROUTES, items)

    def _take_plain(self, items: list[dict[str, Any]], removed: Iterable[str]) -> None:
        self._put(RUNTIME, items)

    def _put(self, url: str, items: list[dict[str, Any]]) -> None:
        self.state[url].update({item["name"]: item for item in items})

    def holds(self, view: View) -> bool:
        """Whether its clusters, endpoints, listeners and routes are exactly the view's."""
        return all(
            {name: item["version"] for name, item in self.state[url].items()}
            == {name: resource.version for name, resource in view.tables[url].items()}
            for url in (CLUSTER, ENDPOINTS, LISTENER, ROUTES)
        )
