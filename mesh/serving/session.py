"""Session: one proxy's ADS stream over all types. Pure: requests and views in, responses out.

Order is make-before-break (xds_protocol, eventual consistency): clusters, their endpoints, listeners, routes, weights;
removals last. Routes and listeners wait until the clusters they need are warm, which is when Envoy ACKs them; endpoints
never wait for that ACK, because Envoy withholds it until it has them. A changed cluster warms again and a delta Envoy
does not ask for its endpoints then: they are owed again. That their version holds the cluster's (translation) covers a
stream that broke between the two.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from mesh.model.nouns import LaneKey
from mesh.serving.exchange import Exchange, Request, Response
from mesh.translation import naming, runtime
from mesh.translation.holding import Lanes, held
from mesh.translation.naming import RUNTIME_LAYER
from mesh.translation.resources import (
    CLUSTER,
    ENDPOINTS,
    LISTENER,
    ROUTES,
    RUNTIME,
    SHORT_NAMES,
    Resource,
    Table,
    table,
)
from mesh.translation.runtime import LEASE_SECONDS, Weights
from mesh.translation.views import View

REMOVAL_DELAY = 3.0
"""Seconds a cluster outlives the last route to it: requests under way may still be retried in it."""

TEXT_LIMIT = 500


class Session:
    """The state of one stream. `now` is in seconds of any monotonic clock, `lease` in seconds."""

    def __init__(self, node: str, lease: float = LEASE_SECONDS) -> None:
        self.node = node
        self._lease_seconds = lease
        self.view: View | None = None
        self.types = {url: Exchange(url, wildcard_allowed=url in (CLUSTER, LISTENER)) for url in SHORT_NAMES}
        self.settled_revision = 0
        self._nonce = 0
        self._weights: Weights = {}
        self._endpoints: Table = {}
        self._routes_settled_at: float | None = None
        self._lanes: Lanes = {}  # of the route table that the proxy follows
        self._held: tuple[View, frozenset[str], Lanes, Lanes, Table] | None = None
        # The lease of what an earlier stream left may end any moment: it is sent again however equal.
        self.types[RUNTIME].owe([RUNTIME_LAYER])

    def receive(self, request: Request, now: float) -> list[Response]:
        """Take in a request; return what is to be sent. Types that are not served are ignored."""
        exchange = self.types.get(request.type_url)
        if exchange is None:
            return []
        exchange.receive(request)
        return self.advance(now)

    def show(self, view: View, now: float) -> list[Response]:
        """Take in what the proxy should have from now on; return what is to be sent."""
        self.view = view = view if self.view is None else _keeping_tables(self.view, view)
        kept = self._kept_endpoints(view)
        self._endpoints = {**kept, **view.tables[ENDPOINTS]} if kept else view.tables[ENDPOINTS]
        self._routes_settled_at = None
        return self.advance(now)

    def _kept_endpoints(self, view: View) -> dict[str, Resource]:
        """Endpoints of clusters that the proxy is to remove: it may be warming one, and must not wait for ever."""
        leaving = self.types[CLUSTER].stale(view.tables[CLUSTER])
        return {name: self._endpoints[name] for name in leaving if name in self._endpoints}

    def advance(self, now: float) -> list[Response]:
        """Return what may be sent now."""
        if self.view is None:
            return []
        responses = [response for response in self._responses(self.view, now) if response is not None]
        if self._is_settled(self.view):
            self.settled_revision = self.view.revision
        return responses

    def renew(self, now: float) -> list[Response]:
        """Prolong the lease of the weights.

        They are sent whole. An empty heartbeat would be smaller, but gives nothing back to a proxy whose lease has
        ended while the stream stayed (a mesh that hung), and neither side would know.
        """
        self.types[RUNTIME].owe([RUNTIME_LAYER])
        return self.advance(now)

    @property
    def removals_due_at(self) -> float | None:
        """When `advance` should be called to remove what routes have left; None if nothing waits."""
        if self.view is None or self._routes_settled_at is None:
            return None
        stale = self.types[CLUSTER].stale(self.view.tables[CLUSTER])
        return self._routes_settled_at + REMOVAL_DELAY if stale else None

    def _responses(self, view: View, now: float) -> Iterator[Response | None]:
        clusters, listeners, routes = self.types[CLUSTER], self.types[LISTENER], self.types[ROUTES]
        changed = clusters.outstanding(view.tables[CLUSTER])
        yield self._answer(clusters, changed, self._clusters_to_remove(view, now))
        members = self.types[ENDPOINTS]
        members.owe(resource.name for resource in changed)
        yield self._answer(members, members.outstanding(self._endpoints), members.absent(self._endpoints))
        doors = view.tables[LISTENER]
        yield self._answer(listeners, self._warm(listeners.outstanding(doors), view), listeners.stale(doors))
        _, ways = self._ways(view)
        yield self._answer(routes, self._warm(routes.outstanding(ways), view), routes.absent(ways))
        yield self._lease(view)
        self._note_routes(view, now)

    def _lease(self, view: View) -> Response | None:
        """The weights. While a proxy still uses an older route table, that table's weights stay beside the new ones."""
        if self._follows(view):
            self._weights = view.weights
        elif not view.weights.items() <= self._weights.items():
            self._weights = {**self._weights, **view.weights}
        layers = table(self._layer(self._weights))
        exchange = self.types[RUNTIME]
        return self._answer(exchange, exchange.outstanding(layers), exchange.absent(layers))

    def _layer(self, weights: Weights) -> Resource:
        return runtime.layer(weights, self._lease_seconds)

    def _refused(self, view: View) -> set[str]:
        """Clusters of the view that the proxy has refused as they are."""
        clusters, wanted = self.types[CLUSTER], view.tables[CLUSTER]
        return {name for name, no in clusters.rejected.items() if name in wanted and wanted[name].version == no.version}

    def _ways(self, view: View) -> tuple[Lanes, Table]:
        """The route table as far as the proxy has its clusters, and the lanes in it."""
        absent = frozenset(self._refused(view) - self.types[CLUSTER].accepted.keys())
        if view.ways is None or not absent:
            return view.ways.lanes if view.ways else {}, view.tables[ROUTES]
        if self._held is None or self._held[:2] != (view, absent) or self._held[2] is not self._lanes:
            lanes = held(view.ways.lanes, absent, self._lanes)
            self._held = (view, absent, self._lanes, lanes, table(view.ways.make(lanes)))
        return self._held[3:]

    def _clusters_to_remove(self, view: View, now: float) -> list[str]:
        since = self._routes_settled_at
        if since is None or now - since < REMOVAL_DELAY:
            return []
        return self.types[CLUSTER].stale(view.tables[CLUSTER])

    def _note_routes(self, view: View, now: float) -> None:
        lanes, ways = self._ways(view)
        if not self.types[ROUTES].missing(ways, required=True):
            self._lanes = lanes
        if not self._follows(view):
            self._routes_settled_at = None
        elif self._routes_settled_at is None:
            self._routes_settled_at = now

    def _follows(self, view: View) -> bool:
        """Whether the proxy uses the view's listeners and routes and no others."""
        listeners, routes = self.types[LISTENER], self.types[ROUTES]
        doors, ways = view.tables[LISTENER], view.tables[ROUTES]
        return not (listeners.missing(doors, required=True) or routes.missing(ways, required=True)) and not any(
            name not in doors for name in listeners.accepted
        )

    def _warm(self, resources: Iterable[Resource], view: View) -> list[Resource]:
        """Those resources whose clusters the proxy has accepted as they should be, with some endpoints.

        After a reconnection a cluster that is still warming looks accepted; its endpoints do not.
        """
        clusters, wanted = self.types[CLUSTER], view.tables[CLUSTER]
        members, known = view.tables[ENDPOINTS], self.types[ENDPOINTS].accepted
        refused = self._refused(view)

        def is_warm(name: str) -> bool:
            if name in refused and view.ways is not None:
                return True  # it stays as it was, or nothing in the table leads to it: no use in waiting
            if name not in wanted:  # of a lane that stays as it was
                return bool(clusters.sent.get(name)) and name in clusters.accepted
            return clusters.has(name, wanted) and (name not in members or name in known)

        return [each for each in resources if all(is_warm(name) for name in each.needs)]

    def _answer(self, exchange: Exchange, resources: Iterable[Resource], removed: Iterable[str]) -> Response | None:
        if not exchange.opened:
            return None
        return exchange.answer(self._next_nonce(), resources, removed)

    def _next_nonce(self) -> str:
        self._nonce += 1
        return str(self._nonce)

    def _is_settled(self, view: View) -> bool:
        """Whether all is accepted that can be: what a refused cluster holds back is told lane by lane (`refused`)."""
        refused = self._refused(view) if view.ways is not None else set()
        if not refused:
            return self._follows(view) and not any(self._missing(view))
        _, ways = self._ways(view)
        return not self.types[ROUTES].missing(ways, required=True) and not any(
            set(missing) - (refused if type_url in (CLUSTER, ENDPOINTS) else set())
            for type_url, missing in self._missing(view)
            if type_url != ROUTES
        )

    def refused(self) -> dict[LaneKey, str]:
        """Lanes with clusters that the proxy has refused, and its words."""
        names = sorted(self._refused(self.view)) if self.view is not None else []
        told = self.types[CLUSTER].rejected
        return {
            lane: f"NACK CDS {name}: {told[name].text[:TEXT_LIMIT]}" for name in names if (lane := naming.lane_of(name))
        }

    def _missing(self, view: View) -> Iterator[tuple[str, list[str]]]:
        """What the proxy has not accepted yet, by type; nothing where all is well."""
        wanted: dict[str, Table] = {**view.tables, RUNTIME: table(self._layer(view.weights))}
        for type_url, resources in wanted.items():
            missing = self.types[type_url].missing(resources, required=True)
            if missing:
                yield type_url, missing

    def waiting_on(self) -> list[str]:
        """Why the proxy has not settled, in words for people; empty where it has."""
        if self.view is None:
            return ["has no configuration yet"]
        found = []
        for type_url, missing in self._missing(self.view):
            exchange, short = self.types[type_url], SHORT_NAMES[type_url]
            wanted = {**self.view.tables, RUNTIME: table(self._layer(self.view.weights))}[type_url]
            refused = [
                name for name in missing if (no := exchange.rejected.get(name)) and no.version == wanted[name].version
            ]
            found += [f"NACK {short} {name}: {exchange.rejected[name].text[:TEXT_LIMIT]}" for name in refused]
            if not refused:
                found.append(f"not yet acknowledged {short}")
        return found


def _keeping_tables(before: View, after: View) -> View:
    """The later view, with the earlier one's tables where they are equal: these need not be looked through again."""
    if after.shape is not None and after.shape == before.shape:
        return replace(after, tables=before.tables)
    tables = {url: before.tables[url] if before.tables[url] == each else each for url, each in after.tables.items()}
    return replace(after, tables=tables)
