"""The first schema: one table for each noun, leases, numbers and the trail."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

# Written out here and not taken from `tables`: a migration never changes after its release.
_S, _I, _F = sa.String, sa.BigInteger, sa.Float
_NOUNS: dict[str, tuple[dict[str, Any], tuple[str, ...], tuple[str, ...]]] = {
    "projects": ({"name": _S, "forge": _S, "forge_project": _S}, (), ("forge",)),
    "deliveries": (
        {"project": _S, "host": _S, "key": _S, "event": _S, "state": _S, "run": _S},
        ("project", "key"),
        ("project", "state"),
    ),
    "runs": (
        {"project": _S, "ref": _S, "branch": _S, "revision": _S, "number": _I, "state": _S},
        ("project", "number"),
        ("project", "state"),
    ),
    "jobs": ({"project": _S, "run": _S, "service": _S, "key": _S, "state": _S}, (), ("run", "state")),
    "releases": (
        {"project": _S, "service": _S, "version": _S, "artifact": _S, "revision": _S, "run": _S},
        ("project", "service", "version"),
        ("project",),
    ),
    "environments": (
        {"project": _S, "name": _S, "color": _S, "branch": _S, "owner": _S, "state": _S},
        ("project", "color"),
        ("project", "state"),
    ),
    "rollouts": (
        {
            "project": _S,
            "environment": _S,
            "color": _S,
            "service": _S,
            "candidate": _S,
            "revision": _S,
            "ref": _S,
            "run": _S,
            "phase": _S,
        },
        (),
        ("environment", "phase"),
    ),
    "statuses": (
        {"project": _S, "revision": _S, "name": _S, "state": _S, "sent_at": _F},
        (),
        ("project", "state", "sent_at"),
    ),
    "heads": ({"project": _S, "ref": _S}, ("project", "ref"), ("project",)),
}


def upgrade() -> None:
    """Create everything."""
    serial = sa.BigInteger().with_variant(sa.Integer, "sqlite")
    for name, (columns, unique, indexes) in _NOUNS.items():
        op.create_table(
            name,
            sa.Column("seq", serial, primary_key=True, autoincrement=True),
            sa.Column("id", sa.String, nullable=False, unique=True),
            sa.Column("row_version", sa.BigInteger, nullable=False),
            *[sa.Column(column, kind, nullable=True) for column, kind in columns.items()],
            sa.Column("body", sa.Text, nullable=False),
            *([sa.UniqueConstraint(*unique, name=f"uq_{name}")] if unique else []),
            sqlite_autoincrement=True,
        )
        for column in indexes:
            op.create_index(f"ix_{name}_{column}", name, [column])
    op.create_table(
        "leases",
        sa.Column("name", sa.String, primary_key=True),
        sa.Column("owner", sa.String, nullable=False),
        sa.Column("until", sa.Float, nullable=False),
    )
    op.create_index("ix_leases_owner", "leases", ["owner"])
    op.create_table(
        "generations",
        sa.Column("scope", sa.String, primary_key=True),
        sa.Column("value", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "events",
        sa.Column("id", serial, primary_key=True, autoincrement=True),
        sa.Column("at", sa.Float, nullable=False),
        *[sa.Column(name, sa.String, nullable=False) for name in ("project", "subject", "kind", "actor")],
        sa.Column("text", sa.Text, nullable=False),
        sa.Column("data", sa.Text, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_events_project", "events", ["project"])
    op.create_index("ix_events_subject", "events", ["subject"])


def downgrade() -> None:
    """Refused: going back would drop the truth."""
    raise NotImplementedError("restore a backup instead")
