"""Store on SQL: SQLite (WAL) when embedded, PostgreSQL in production; one code path. Port: `delivery.ports.store`.

`tables` states which columns are indexed, `engine` how connections behave, `rows` the repository of one noun,
`trail` events, leases and numbers, `schema` brings a database up to date with the migrations beside it.
"""

from delivery.adapters.store_sql.store import SqlStore

__all__ = ["SqlStore"]
