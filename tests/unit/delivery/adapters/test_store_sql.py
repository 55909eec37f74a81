"""The SQL store beyond its contract: schema and migrations agree, many processes may open it, a kill loses nothing."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from delivery.adapters import store_sql
from delivery.adapters.store_sql import SqlStore
from delivery.adapters.store_sql.engine import connect
from delivery.adapters.store_sql.schema import HEAD, upgrade
from delivery.adapters.store_sql.tables import metadata

MIGRATIONS = Path(store_sql.__file__).parent / "migrations"

WRITER = """
import sys
from delivery.adapters.store_sql import SqlStore
from delivery.projects import Project
store = SqlStore(sys.argv[1])
row = store.projects.add(Project("shop", "shop.localhost"))
while True:
    row = store.projects.save(row)
    print(row.row_version, flush=True)
"""
OPENER = "import sys; from delivery.adapters.store_sql import SqlStore; SqlStore(sys.argv[1]).projects.find()"


def test_newest_migration_is_the_one_opening_looks_for() -> None:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    assert ScriptDirectory.from_config(config).get_current_head() == HEAD


def test_migrations_make_exactly_the_tables(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'state.db'}"
    engine = connect(url)
    upgrade(engine, url)
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []
    engine.dispose()


def test_many_processes_may_open_an_empty_database_at_once(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'state.db'}"
    openers = [subprocess.Popen([sys.executable, "-c", OPENER, url]) for _ in range(3)]
    assert [opener.wait(60) for opener in openers] == [0, 0, 0]


def test_what_a_killed_process_was_told_is_there(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    writer = subprocess.Popen([sys.executable, "-c", WRITER, f"sqlite:///{path}"], stdout=subprocess.PIPE, text=True)
    assert writer.stdout is not None
    for _ in range(50):
        told = int(writer.stdout.readline())
    os.kill(writer.pid, signal.SIGKILL)
    rest = [int(line) for line in writer.stdout.read().splitlines()]
    writer.wait(10)
    writer.stdout.close()
    last = rest[-1] if rest else told
    store = SqlStore(f"sqlite:///{path}")
    assert store.projects.get("shop").row_version in (last, last + 1)
    store.close()
    with sqlite3.connect(path) as database:
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    database.close()
