"""Trail: events, leases and rising numbers in SQL. Neighbours: store, tables.

Each is one statement, decided by the database itself, so that of many callers one wins whatever the isolation level.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Engine, Select, delete, insert, or_, select

from delivery.adapters.store_sql.tables import events, generations, leases
from delivery.ports.store import Event


def claim(writes: Engine, name: str, owner: str, until: float, now: float) -> bool:
    """Take the lease when it is free, over, or already ours."""
    statement = _upsert(writes)(leases).values(name=name, owner=owner, until=until)
    statement = statement.on_conflict_do_update(
        index_elements=[leases.c.name],
        set_={"owner": owner, "until": until},
        where=or_(leases.c.owner == owner, leases.c.until <= now),
    ).returning(leases.c.owner)  # not the row count: of an insert it is -1 on PostgreSQL
    with writes.begin() as connection:
        return connection.execute(statement).first() is not None


def release(writes: Engine, owner: str, name: str | None = None) -> None:
    """Give back one lease of `owner`, or all of them."""
    mine = [leases.c.owner == owner] + ([leases.c.name == name] if name is not None else [])
    with writes.begin() as connection:
        connection.execute(delete(leases).where(*mine))


def owners(reads: Engine) -> Sequence[str]:
    """Return who holds leases."""
    with reads.begin() as connection:
        return list(connection.execute(select(leases.c.owner).distinct().order_by(leases.c.owner)).scalars())


def next_generation(writes: Engine, scope: str) -> int:
    """Return a number greater than any before for `scope`."""
    statement = _upsert(writes)(generations).values(scope=scope, value=1)
    statement = statement.on_conflict_do_update(
        index_elements=[generations.c.scope], set_={"value": generations.c.value + 1}
    ).returning(generations.c.value)
    with writes.begin() as connection:
        return int(connection.execute(statement).scalar_one())


def record(writes: Engine, event: Event) -> None:
    """Append an event."""
    with writes.begin() as connection:
        insert_events(connection, (event,))


def insert_events(connection: Connection, new: Sequence[Event]) -> None:
    """Append events within a transaction."""
    for event in new:
        values = {name: getattr(event, name) for name in ("at", "project", "subject", "kind", "text", "actor")}
        connection.execute(insert(events).values(**values, data=json.dumps(event.data)))


def forget(writes: Engine, before: float) -> int:
    """Delete events from before that time; return how many."""
    with writes.begin() as connection:
        return connection.execute(delete(events).where(events.c.at < before)).rowcount


def read(
    reads: Engine, project: str, subject: str, after: int, limit: int, newest_first: bool = False
) -> Sequence[Event]:
    """Return events after the id `after`."""
    order = events.c.id.desc() if newest_first else events.c.id
    query: Select[Any] = select(events).where(events.c.id > after).order_by(order).limit(limit)
    query = query.where(events.c.project == project) if project else query
    query = query.where(events.c.subject == subject) if subject else query
    with reads.begin() as connection:
        return [
            Event(row.id, row.at, row.project, row.subject, row.kind, row.text, row.actor, json.loads(row.data))
            for row in connection.execute(query)
        ]


def _upsert(engine: Engine) -> Any:
    """Return the dialect's insert that knows ON CONFLICT."""
    if engine.dialect.name == "sqlite":
        from sqlalchemy.dialects import sqlite

        return sqlite.insert
    from sqlalchemy.dialects import postgresql  # slow to load, and seldom wanted

    return postgresql.insert
