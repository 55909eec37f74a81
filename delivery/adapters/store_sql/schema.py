"""Schema: brings a database up to date with the Alembic migrations in `migrations/`, one process at a time.

The common case, an up-to-date database, costs one SELECT; Alembic is imported only when there is work.
"""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Engine, inspect, text
from sqlalchemy.engine import make_url

HEAD = "0001"  # the newest migration; a test compares it with Alembic's own answer
_LOCK = 0x636F6C6F72  # any number that no other user of the database takes as an advisory lock: "color"


def upgrade(engine: Engine, url: str) -> None:
    """Run the missing migrations."""
    if _revision(engine) == HEAD:
        return
    with _alone(engine, url):
        if _revision(engine) != HEAD:
            _migrate(engine)


def _revision(engine: Engine) -> str:
    with engine.begin() as connection:
        if not inspect(connection).has_table("alembic_version"):
            return ""
        return connection.execute(text("SELECT version_num FROM alembic_version")).scalar() or ""


def _migrate(engine: Engine) -> None:
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


@contextmanager
def _alone(engine: Engine, url: str) -> Iterator[None]:
    """Hold a lock that a killed process gives back by itself: a file's for SQLite, an advisory one for PostgreSQL."""
    if engine.dialect.name == "sqlite":
        database = make_url(url).database
        with open(f"{database}.lock", "w", encoding="utf-8") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield
        return
    with engine.connect() as connection:
        connection.execute(text("SELECT pg_advisory_lock(:lock)"), {"lock": _LOCK})
        try:
            yield
        finally:
            connection.execute(text("SELECT pg_advisory_unlock(:lock)"), {"lock": _LOCK})
