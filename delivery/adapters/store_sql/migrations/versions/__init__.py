"""Alembic migrations of the store; run by `schema.upgrade`, never by hand."""
