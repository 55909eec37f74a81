"""Store port: the truth of delivery, durable once a call returns. Real side: store_sql; in-memory side: tests/fakes.

Contract: `save` is compare-and-set on `row_version` (the stored one must equal the given one; the stored copy then
has +1, which is returned) and raises `Conflict` otherwise. `add` raises `Conflict` when the id or a unique key
exists. `get` raises `NotFound`. `find` filters by equality on the noun's indexed fields and returns oldest first.
`claim` gives a lease to one caller at a time: of many workers one gets True until `seconds` have passed or `release`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

from delivery.deliveries import Delivery, Head
from delivery.environments import Environment
from delivery.projects import Project
from delivery.releases import Release
from delivery.rollouts.model import Rollout
from pipelines.runs import Job, Run

T = TypeVar("T")


@dataclass(frozen=True)
class Event:
    """One line of the audit trail and of the live streams; `subject` is e.g. "rollout/<id>", "run/<id>"."""

    id: int
    at: float
    project: str
    subject: str
    kind: str
    text: str
    actor: str = ""
    data: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class CommitStatus:
    """What was last told about a commit under one name; `sent_at` is None until the host has taken it."""

    id: str  # "<project>/<revision>/<name>"
    project: str
    revision: str
    ref: str
    name: str
    state: str
    description: str
    url: str
    updated_at: float
    sent_at: float | None = None
    told: str = ""  # the state the host took last
    attempts: int = 0  # failed tries to tell the host this state
    retry_at: float = 0.0  # not before this moment
    row_version: int = 0


class Repository(Protocol[T]):
    """Rows of one noun."""

    def add(self, row: T) -> T:
        """Insert."""
        ...

    def get(self, id: str) -> T:
        """Return the row."""
        ...

    def find(self, *, limit: int = 1000, offset: int = 0, newest_first: bool = False, **equals: Any) -> Sequence[T]:
        """Return rows whose indexed fields equal; a tuple value means "one of"."""
        ...

    def save(self, row: T, events: Sequence[Event] = ()) -> T:
        """Replace by compare-and-set; the events are recorded with it, or neither is."""
        ...

    def delete(self, id: str) -> None:
        """Delete if it exists."""
        ...


class Store(Protocol):
    """All rows, the leases and the trail."""

    projects: Repository[Project]
    deliveries: Repository[Delivery]
    runs: Repository[Run]
    jobs: Repository[Job]
    releases: Repository[Release]
    environments: Repository[Environment]
    rollouts: Repository[Rollout]
    statuses: Repository[CommitStatus]
    heads: Repository[Head]

    def next_generation(self, scope: str) -> int:
        """Return a number greater than any returned before for `scope` (durable)."""
        ...

    def claim(self, name: str, owner: str, seconds: float, now: float) -> bool:
        """Take or extend the lease `name`."""
        ...

    def release(self, name: str, owner: str) -> None:
        """Give the lease back early."""
        ...

    def owners(self) -> Sequence[str]:
        """Return who holds leases, expired or not, so that those of dead processes can be given back."""
        ...

    def release_all(self, owner: str) -> None:
        """Give all leases of `owner` back."""
        ...

    def record(self, event: Event) -> None:
        """Append to the trail (the id is assigned by the store)."""
        ...

    def forget_events(self, before: float) -> int:
        """Delete events from before that time; return how many."""
        ...

    def events(
        self, *, project: str = "", subject: str = "", after: int = 0, limit: int = 200, newest_first: bool = False
    ) -> Sequence[Event]:
        """Return at most `limit` events with id > `after`: the oldest of them first, or the newest first."""
        ...
