"""The store itself: repositories of all nouns, leases, numbers, the trail on one engine. Port: `ports.store`."""

from __future__ import annotations

from collections.abc import Sequence

from delivery.adapters.store_sql import trail
from delivery.adapters.store_sql.engine import connect, writing
from delivery.adapters.store_sql.rows import Rows
from delivery.adapters.store_sql.schema import upgrade
from delivery.adapters.store_sql.tables import SHAPES
from delivery.deliveries import Delivery, Head
from delivery.environments import Environment
from delivery.ports.store import CommitStatus, Event, Repository
from delivery.projects import Project
from delivery.releases import Release
from delivery.rollouts.model import Rollout
from pipelines.runs import Job, Run


class SqlStore:
    """`url` is SQLAlchemy's. Opening brings the schema up to date, one process at a time."""

    def __init__(self, url: str) -> None:
        reads = connect(url)
        writes = writing(reads)
        upgrade(reads, url)
        self._reads, self._writes = reads, writes
        self.projects: Repository[Project] = Rows(reads, writes, SHAPES["projects"])
        self.deliveries: Repository[Delivery] = Rows(reads, writes, SHAPES["deliveries"])
        self.runs: Repository[Run] = Rows(reads, writes, SHAPES["runs"])
        self.jobs: Repository[Job] = Rows(reads, writes, SHAPES["jobs"])
        self.releases: Repository[Release] = Rows(reads, writes, SHAPES["releases"])
        self.environments: Repository[Environment] = Rows(reads, writes, SHAPES["environments"])
        self.rollouts: Repository[Rollout] = Rows(reads, writes, SHAPES["rollouts"])
        self.statuses: Repository[CommitStatus] = Rows(reads, writes, SHAPES["statuses"])
        self.heads: Repository[Head] = Rows(reads, writes, SHAPES["heads"])

    def close(self) -> None:
        """Close idle connections."""
        self._reads.dispose()

    def next_generation(self, scope: str) -> int:
        """Return a number greater than any before for `scope`."""
        return trail.next_generation(self._writes, scope)

    def claim(self, name: str, owner: str, seconds: float, now: float) -> bool:
        """Take or extend the lease `name`."""
        return trail.claim(self._writes, name, owner, now + seconds, now)

    def release(self, name: str, owner: str) -> None:
        """Give the lease back early."""
        trail.release(self._writes, owner, name)

    def owners(self) -> Sequence[str]:
        """Return who holds leases."""
        return trail.owners(self._reads)

    def release_all(self, owner: str) -> None:
        """Give all leases of `owner` back."""
        trail.release(self._writes, owner)

    def record(self, event: Event) -> None:
        """Append to the trail."""
        trail.record(self._writes, event)

    def forget_events(self, before: float) -> int:
        """Delete events from before that time."""
        return trail.forget(self._writes, before)

    def events(
        self, *, project: str = "", subject: str = "", after: int = 0, limit: int = 200, newest_first: bool = False
    ) -> Sequence[Event]:
        """Return events with id > `after`."""
        return trail.read(self._reads, project, subject, after, limit, newest_first)
