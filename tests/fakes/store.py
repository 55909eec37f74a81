"""Store in memory: the contract's other side. Rows are copied by being frozen; one lock makes each call atomic."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Generic, TypeVar, cast

from delivery.adapters.store_sql.tables import SHAPES, Shape
from delivery.deliveries import Delivery, Head
from delivery.environments import Environment
from delivery.errors import Broken, Conflict, NotFound
from delivery.ports.store import CommitStatus, Event
from delivery.projects import Project
from delivery.releases import Release
from delivery.rollouts.model import Rollout
from pipelines.runs import Job, Run

T = TypeVar("T")

UNIQUE = {
    "deliveries": ("project", "key"),
    "runs": ("project", "number"),
    "releases": ("project", "service", "version"),
    "environments": ("project", "color"),
    "heads": ("project", "ref"),
}


NUMBERS = itertools.count(1)  # of events, never used twice


class FakeRows(Generic[T]):
    """Rows of one noun; `before` is called ahead of each write, where tests raise."""

    def __init__(
        self, shape: Shape, lock: threading.RLock, before: Callable[[str], None], trail: list[Event] | None = None
    ) -> None:
        self.shape, self.lock, self.before = shape, lock, before
        self.trail = [] if trail is None else trail
        self.rows: dict[str, T] = {}
        self.unique = UNIQUE.get(shape.table.name, ())

    def _id(self, row: T) -> str:
        return cast(str, getattr(row, self.shape.id))

    def _check_unique(self, row: T) -> None:
        values = [getattr(row, name) for name in self.unique]
        for id, other in self.rows.items():
            if values and id != self._id(row) and values == [getattr(other, name) for name in self.unique]:
                raise Conflict(f"{self.unique} taken by {id}")

    def add(self, row: T) -> T:
        with self.lock:
            self.before(f"{self.shape.table.name}.add")
            if self._id(row) in self.rows:
                raise Conflict(f"{self._id(row)} exists")
            self._check_unique(row)
            self.rows[self._id(row)] = row
            return row

    def get(self, id: str) -> T:
        with self.lock:
            if id not in self.rows:
                raise NotFound(f"there is no {id}")
            return self.rows[id]

    def find(self, *, limit: int = 1000, offset: int = 0, newest_first: bool = False, **equals: Any) -> Sequence[T]:
        with self.lock:
            unknown = equals.keys() - set(self.shape.columns) - {"id"}
            if unknown:
                raise Broken(f"not indexed: {unknown}")
            rows = [row for row in self.rows.values() if all(_fits(getattr(row, k), v) for k, v in equals.items())]
            ordered = rows[::-1] if newest_first else rows
            return ordered[offset : offset + limit]

    def save(self, row: T, events: Sequence[Event] = ()) -> T:
        with self.lock:
            self.before(f"{self.shape.table.name}.save")
            stored = cast(Any, self.get(self._id(row)))
            if stored.row_version != cast(Any, row).row_version:
                raise Conflict(f"{self._id(row)} has changed")
            self._check_unique(row)
            saved = cast(T, replace(cast(Any, row), row_version=stored.row_version + 1))
            self.rows[self._id(row)] = saved
            append(self.trail, events)
            return saved

    def delete(self, id: str) -> None:
        with self.lock:
            self.before(f"{self.shape.table.name}.delete")
            self.rows.pop(id, None)


def append(trail: list[Event], events: Sequence[Event]) -> None:
    for event in events:
        trail.append(replace(event, id=next(NUMBERS)))


def _fits(value: Any, wanted: Any) -> bool:
    if isinstance(wanted, tuple | set | frozenset):
        return value in wanted
    return bool(value == wanted)


class FakeStore:
    """The whole store; `before` sees the name of each write first."""

    def __init__(self, before: Callable[[str], None] = lambda what: None) -> None:
        lock = threading.RLock()
        self.lock, self.before = lock, before
        self.trail: list[Event] = []

        def see(what: str) -> None:
            self.before(what)

        self.projects: FakeRows[Project] = FakeRows(SHAPES["projects"], lock, see, self.trail)
        self.deliveries: FakeRows[Delivery] = FakeRows(SHAPES["deliveries"], lock, see, self.trail)
        self.runs: FakeRows[Run] = FakeRows(SHAPES["runs"], lock, see, self.trail)
        self.jobs: FakeRows[Job] = FakeRows(SHAPES["jobs"], lock, see, self.trail)
        self.releases: FakeRows[Release] = FakeRows(SHAPES["releases"], lock, see, self.trail)
        self.environments: FakeRows[Environment] = FakeRows(SHAPES["environments"], lock, see, self.trail)
        self.rollouts: FakeRows[Rollout] = FakeRows(SHAPES["rollouts"], lock, see, self.trail)
        self.statuses: FakeRows[CommitStatus] = FakeRows(SHAPES["statuses"], lock, see, self.trail)
        self.heads: FakeRows[Head] = FakeRows(SHAPES["heads"], lock, see, self.trail)
        self.leases: dict[str, tuple[str, float]] = {}
        self.numbers: dict[str, int] = {}

    def next_generation(self, scope: str) -> int:
        with self.lock:
            self.before("next_generation")
            self.numbers[scope] = self.numbers.get(scope, 0) + 1
            return self.numbers[scope]

    def claim(self, name: str, owner: str, seconds: float, now: float) -> bool:
        with self.lock:
            holder, until = self.leases.get(name, (owner, 0.0))
            if holder != owner and until > now:
                return False
            self.leases[name] = (owner, now + seconds)
            return True

    def release(self, name: str, owner: str) -> None:
        with self.lock:
            if self.leases.get(name, ("", 0.0))[0] == owner:
                del self.leases[name]

    def owners(self) -> Sequence[str]:
        with self.lock:
            return sorted({owner for owner, _ in self.leases.values()})

    def release_all(self, owner: str) -> None:
        with self.lock:
            self.leases = {name: lease for name, lease in self.leases.items() if lease[0] != owner}

    def record(self, event: Event) -> None:
        with self.lock:
            self.before("record")
            append(self.trail, (event,))

    def forget_events(self, before: float) -> int:
        with self.lock:
            kept = [event for event in self.trail if event.at >= before]
            gone = len(self.trail) - len(kept)
            self.trail[:] = kept
            return gone

    def events(
        self, *, project: str = "", subject: str = "", after: int = 0, limit: int = 200, newest_first: bool = False
    ) -> Sequence[Event]:
        with self.lock:
            found = [
                event
                for event in self.trail
                if event.id > after and project in ("", event.project) and subject in ("", event.subject)
            ]
            return (found[::-1] if newest_first else found)[:limit]
