"""Tables: one shape for all nouns: id, row_version, the columns people search by, and the whole noun as JSON.

The JSON is the truth; the columns repeat it for searching and for uniqueness. A new field of a noun needs no
migration, a new column does. Neighbours: rows, migrations.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from sqlalchemy import BigInteger, Column, Float, Index, Integer, MetaData, String, Table, Text, UniqueConstraint

from delivery.deliveries import Delivery, Head
from delivery.environments import Environment
from delivery.ports.store import CommitStatus
from delivery.projects import Project
from delivery.releases import Release
from delivery.rollouts.model import Rollout
from pipelines.runs import Job, Run

metadata = MetaData()
# SQLite numbers rows by itself only in a column of exactly this type.
_SERIAL = BigInteger().with_variant(Integer, "sqlite")


@dataclass(frozen=True)
class Shape:
    """How a noun is stored. `id` names the field that identifies it."""

    table: Table
    noun: type
    columns: tuple[str, ...]
    id: str = "id"


def _shape(
    name: str,
    noun: type,
    columns: Mapping[str, type],
    unique: tuple[str, ...] = (),
    id: str = "id",
    index: str = "project",
) -> Shape:
    types: dict[type, Any] = {str: String, float: Float, int: BigInteger}
    table = Table(
        name,
        metadata,
        Column("seq", _SERIAL, primary_key=True, autoincrement=True),
        Column("id", String, nullable=False, unique=True),
        Column("row_version", BigInteger, nullable=False),
        *[Column(column, types[kind], nullable=True) for column, kind in columns.items()],
        Column("body", Text, nullable=False),
        *([UniqueConstraint(*unique, name=f"uq_{name}")] if unique else []),
        *[Index(f"ix_{name}_{column}", column) for column in {index, "state", "phase", "sent_at"} & columns.keys()],
        sqlite_autoincrement=True,
    )
    return Shape(table, noun, tuple(columns), id)


SHAPES: Mapping[str, Shape] = MappingProxyType(
    {
        "projects": _shape(
            "projects", Project, {"name": str, "forge": str, "forge_project": str}, id="name", index="forge"
        ),
        "deliveries": _shape(
            "deliveries",
            Delivery,
            {"project": str, "host": str, "key": str, "event": str, "state": str, "run": str},
            ("project", "key"),
        ),
        "runs": _shape(
            "runs",
            Run,
            {"project": str, "ref": str, "branch": str, "revision": str, "number": int, "state": str},
            ("project", "number"),
        ),
        "jobs": _shape(
            "jobs", Job, {"project": str, "run": str, "service": str, "key": str, "state": str}, index="run"
        ),
        "releases": _shape(
            "releases",
            Release,
            {"project": str, "service": str, "version": str, "artifact": str, "revision": str, "run": str},
            ("project", "service", "version"),
        ),
        "environments": _shape(
            "environments",
            Environment,
            {"project": str, "name": str, "color": str, "branch": str, "owner": str, "state": str},
            ("project", "color"),
        ),
        "rollouts": _shape(
            "rollouts",
            Rollout,
            {
                "project": str,
                "environment": str,
                "color": str,
                "service": str,
                "candidate": str,
                "revision": str,
                "ref": str,
                "run": str,
                "phase": str,
            },
            index="environment",
        ),
        "statuses": _shape(
            "statuses", CommitStatus, {"project": str, "revision": str, "name": str, "state": str, "sent_at": float}
        ),
        "heads": _shape("heads", Head, {"project": str, "ref": str}, ("project", "ref")),
    }
)

leases = Table(
    "leases",
    metadata,
    Column("name", String, primary_key=True),
    Column("owner", String, nullable=False, index=True),
    Column("until", Float, nullable=False),
)
generations = Table(
    "generations", metadata, Column("scope", String, primary_key=True), Column("value", BigInteger, nullable=False)
)
events = Table(
    "events",
    metadata,
    Column("id", _SERIAL, primary_key=True, autoincrement=True),
    Column("at", Float, nullable=False),
    Column("project", String, nullable=False, index=True),
    Column("subject", String, nullable=False, index=True),
    Column("kind", String, nullable=False),
    Column("text", Text, nullable=False),
    Column("actor", String, nullable=False),
    Column("data", Text, nullable=False),
    sqlite_autoincrement=True,
)
