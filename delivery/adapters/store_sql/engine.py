"""Engine: how connections to the database behave. Neighbours: store.

SQLite: WAL, so that readers never wait for the writer; `synchronous=FULL`, because an answered webhook and a given
approval must outlive a power cut, and one fsync costs well under a millisecond on today's disks; writers take the
lock at BEGIN, because a reader that turns writer in the middle gets "database is locked" at once, whatever the
busy timeout.

PostgreSQL: a process that hangs in the middle of a transaction (a frozen node, a stopped container) keeps its locks for
as long as its connection stands, and everyone else waits. The database ends such a transaction by itself.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import make_url

BUSY_TIMEOUT_MS = 15_000
IDLE_TRANSACTION_MS = 15_000


def connect(url: str) -> Engine:
    """Return an engine for `url`; creates the directory of a SQLite file."""
    if make_url(url).get_backend_name() != "sqlite":
        engine = create_engine(url, pool_pre_ping=True, pool_size=10, max_overflow=20)
        event.listen(engine, "connect", _bound_transactions)
        return engine
    if database := make_url(url).database:
        Path(database).parent.mkdir(parents=True, exist_ok=True)
    engine = create_engine(url, pool_size=10, max_overflow=20, connect_args={"timeout": BUSY_TIMEOUT_MS / 1000})
    event.listen(engine, "connect", _prepare)
    event.listen(engine, "begin", _begin)
    return engine


def writing(engine: Engine) -> Engine:
    """Return the same engine whose transactions take the write lock when they begin."""
    return engine.execution_options(writes=True)


def _bound_transactions(connection: Any, _record: Any) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"SET idle_in_transaction_session_timeout = {IDLE_TRANSACTION_MS}")
    connection.commit()  # else the next rollback takes it back


def _prepare(connection: Any, _record: Any) -> None:
    connection.isolation_level = None  # we say BEGIN ourselves
    cursor = connection.cursor()
    for pragma in ("journal_mode=WAL", "synchronous=FULL", f"busy_timeout={BUSY_TIMEOUT_MS}", "foreign_keys=ON"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin(connection: Connection) -> None:
    writes = connection.get_execution_options().get("writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
