"""One xDS type on one stream: subscriptions, nonces, what was sent, accepted and rejected. Pure (xDS protocol, delta).

Neighbours: session orders several of these; the rules are those of Envoy's docs/root/api-docs/xds_protocol.rst.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from mesh.translation.resources import Resource, Table

WILDCARD = "*"
REMOVED = ""
"""Stands for a version where a resource was removed."""


@dataclass(frozen=True)
class Request:
    """A DeltaDiscoveryRequest, as far as the protocol needs it."""

    type_url: str
    subscribe: tuple[str, ...] = ()
    unsubscribe: tuple[str, ...] = ()
    initial_versions: Mapping[str, str] = field(default_factory=dict)
    nonce: str = ""
    error: str | None = None


@dataclass(frozen=True)
class Response:
    """A DeltaDiscoveryResponse: serialised resources, and names that are no more."""

    type_url: str
    nonce: str
    resources: tuple[bytes, ...] = ()
    removed: tuple[str, ...] = ()


@dataclass(frozen=True)
class Rejection:
    """The proxy refused this version, with these words."""

    version: str
    text: str


class Exchange:
    """What one proxy and we have said to each other about one type.

    `sent`: what the proxy was told last, `accepted`: what it has ACKed (both name -> version). A name that is not in
    `sent` is owed to the proxy. `rejected` content is never sent again; other content is.
    """

    def __init__(self, type_url: str, *, wildcard_allowed: bool) -> None:
        self.type_url = type_url
        self.opened = False
        self.wildcard = False
        self.subscribed: set[str] = set()
        self.sent: dict[str, str] = {}
        self.accepted: dict[str, str] = {}
        self.rejected: dict[str, Rejection] = {}
        self._wildcard_allowed = wildcard_allowed
        self._in_flight: dict[str, dict[str, str]] = {}
        self._absent: set[str] = set()
        self._greeting_due = False
        self._owed_at_opening: set[str] = set()
        self._complete: Table | None = (
            None  # known to be accepted whole, with nothing beside it: most pushes change one type
        )

    # Requests

    def receive(self, request: Request) -> None:
        """Take in a request: the ACK or NACK in it, then its subscriptions (these also with a stale nonce)."""
        self._complete = None
        self._settle(request.nonce, request.error)
        if not self.opened:
            self._open(request)
        else:
            self._subscribe(request.subscribe)
            self._unsubscribe(request.unsubscribe)

    def _open(self, request: Request) -> None:
        """First request of the type on the stream: no names mean all; what the proxy has need not be sent again."""
        self.opened = True
        if WILDCARD in request.subscribe or (self._wildcard_allowed and not request.subscribe):
            self.wildcard = self._greeting_due = True
        self.sent = {
            name: version for name, version in request.initial_versions.items() if name not in self._owed_at_opening
        }
        self.accepted = dict(request.initial_versions)
        self.subscribed.update(name for name in request.subscribe if name != WILDCARD)
        self._absent.update(self.subscribed)  # what was removed while it was away must be told too

    def _subscribe(self, names: Iterable[str]) -> None:
        for name in names:
            if name == WILDCARD:
                self._greeting_due = self._greeting_due or not self.wildcard
                self.wildcard = True
            else:  # to be answered even if the proxy seems to have it: it may have dropped it in between
                self.subscribed.add(name)
                self._absent.add(name)
                self.sent.pop(name, None)

    def _unsubscribe(self, names: Iterable[str]) -> None:
        for name in names:
            if name == WILDCARD:
                self.wildcard = False
            elif name in self.subscribed:
                self.subscribed.discard(name)
                for memory in (self.sent, self.accepted, self.rejected):
                    memory.pop(name, None)
                self._absent.discard(name)
                if self.wildcard:  # the proxy has dropped it and must be told anew, or told that it is no more
                    self._absent.add(name)

    def _settle(self, nonce: str, error: str | None) -> None:
        told = self._in_flight.pop(nonce, None)
        if told is None:  # stale, or no answer to anything
            return
        if error is None:
            self._accept(told)
            return
        # Envoy takes the good ones of a response and names the bad ones. Those it names are done with; the others go
        # out once more without them, so that one bad resource holds up no other.
        named = _named_in(error, told)
        for name, version in told.items():
            if name in named or not named:
                self.rejected[name] = Rejection(version, error)
            elif self.sent.get(name) == version:
                self.sent.pop(name)

    def _accept(self, told: Mapping[str, str]) -> None:
        for name, version in told.items():
            if version == REMOVED:
                self.accepted.pop(name, None)
                if self.sent.get(name) == REMOVED:
                    del self.sent[name]  # both sides have forgotten it: a stream lives for months
            else:
                self.accepted[name] = version
            if name in self.rejected:
                del self.rejected[name]

    def owe(self, names: Iterable[str]) -> None:
        """Send these again though their versions are the same; also if the proxy has not asked for the type yet."""
        if self.opened:
            for name in names:
                self.sent.pop(name, None)
                self._complete = None
        else:
            self._owed_at_opening.update(names)

    # Answers

    def wanted(self, table: Table) -> Iterable[str]:
        """Names of the table that the proxy asks for."""
        return table if self.wildcard else (name for name in table if name in self.subscribed)

    def outstanding(self, table: Table) -> list[Resource]:
        """What the proxy asks for, does not have, and has not refused."""
        if not self.opened or table is self._complete:
            return []
        return [table[name] for name in self.wanted(table) if self._owed(table[name])]

    def _owed(self, resource: Resource) -> bool:
        if self.sent.get(resource.name) == resource.version:
            return False
        refused = self.rejected.get(resource.name)
        return refused is None or refused.version != resource.version

    def stale(self, table: Table) -> list[str]:
        """Names that the proxy has and the table has no more."""
        if table is self._complete:
            return []
        return [name for name, version in self.sent.items() if name not in table and version != REMOVED]

    def absent(self, table: Table) -> list[str]:
        """Names that were asked for since the last answer and do not exist: to be answered as removed."""
        return sorted(self._absent.difference(table))

    def answer(self, nonce: str, resources: Iterable[Resource], removed: Iterable[str]) -> Response | None:
        """Make a response and note what it tells; None where there is nothing to say and no greeting is due."""
        resources, removed = tuple(resources), tuple(removed)
        if not resources and not removed and not self._greeting_due:
            return None
        told = {resource.name: resource.version for resource in resources} | dict.fromkeys(removed, REMOVED)
        self._greeting_due, self._complete = False, None
        self._absent.difference_update(told)
        self.sent.update(told)
        self._in_flight[nonce] = told
        return Response(self.type_url, nonce, tuple(resource.wire for resource in resources), removed)

    # Standing

    def missing(self, table: Table, *, required: bool = False) -> list[str]:
        """Names of the table that the proxy has not accepted at their version; with `required` also unasked ones."""
        if table is self._complete:
            return []
        names = table if required else self.wanted(table)
        found = [name for name in names if self.accepted.get(name) != table[name].version]
        if required and not found and not self._owed_by(table) and not self.stale(table):
            self._complete = table
        return found

    def _owed_by(self, table: Table) -> bool:
        return any(self.sent.get(name) != table[name].version for name in self.wanted(table))

    def has(self, name: str, table: Table) -> bool:
        """Whether the proxy has accepted the resource as it stands in the table."""
        resource = table.get(name)
        return resource is not None and self.accepted.get(name) == resource.version


def _named_in(text: str, names: Iterable[str]) -> set[str]:
    """Which of the names stand in the text; one that only stands there as a part of a longer one does not."""
    found = set()
    for name in sorted(filter(None, names), key=len, reverse=True):
        if name in text:
            found.add(name)
            text = text.replace(name, " ")
    return found
