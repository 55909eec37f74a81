"""Rows: the repository of one noun, the same for all. Port: `delivery.ports.store.Repository`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from enum import Enum
from typing import Any, Generic, TypeVar, cast

from sqlalchemy import ColumnElement, Engine, Select, delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from delivery.adapters.store_sql.tables import Shape
from delivery.adapters.store_sql.trail import insert_events
from delivery.codec import decode, encode
from delivery.errors import Broken, Conflict, NotFound
from delivery.ports.store import Event

T = TypeVar("T")


class Rows(Generic[T]):
    """See the port. `reads` and `writes` are two views of one engine."""

    def __init__(self, reads: Engine, writes: Engine, shape: Shape) -> None:
        self._reads, self._writes, self._shape = reads, writes, shape
        self._table = shape.table

    def add(self, row: T) -> T:
        """Insert."""
        id = self._id(row)
        try:
            with self._writes.begin() as connection:
                connection.execute(insert(self._table).values(id=id, **self._values(row)))
        except IntegrityError as error:
            raise Conflict(f"{self._table.name}: {id} exists, or a unique value of it does", value=id) from error
        return row

    def get(self, id: str) -> T:
        """Return the row."""
        with self._reads.begin() as connection:
            body = connection.execute(select(self._table.c.body).where(self._table.c.id == id)).scalar()
        if body is None:
            raise NotFound(f"there is no {self._shape.noun.__name__.lower()} {id!r}", field="id", value=id)
        return self._noun(body)

    def find(self, *, limit: int = 1000, offset: int = 0, newest_first: bool = False, **equals: Any) -> Sequence[T]:
        """Return rows whose indexed fields equal."""
        seq = self._table.c.seq
        query: Select[Any] = select(self._table.c.body).where(*[self._where(*each) for each in equals.items()])
        query = query.order_by(seq.desc() if newest_first else seq).limit(limit).offset(offset)
        with self._reads.begin() as connection:
            return [self._noun(body) for body in connection.execute(query).scalars()]

    def save(self, row: T, events: Sequence[Event] = ()) -> T:
        """Replace by compare-and-set, and record the events in the same transaction."""
        seen = cast(Any, row).row_version
        saved = cast(T, replace(cast(Any, row), row_version=seen + 1))
        same = (self._table.c.id == self._id(row), self._table.c.row_version == seen)
        try:
            with self._writes.begin() as connection:
                changed = connection.execute(update(self._table).where(*same).values(**self._values(saved))).rowcount
                if changed == 1:
                    insert_events(connection, events)
        except IntegrityError as error:
            raise Conflict(
                f"{self._table.name}: {self._id(row)}: a unique value is taken", value=self._id(row)
            ) from error
        if changed != 1:
            self.get(self._id(row))
            raise Conflict(f"{self._table.name}: {self._id(row)} has changed since it was read", value=self._id(row))
        return saved

    def delete(self, id: str) -> None:
        """Delete if it exists."""
        with self._writes.begin() as connection:
            connection.execute(delete(self._table).where(self._table.c.id == id))

    def _id(self, row: T) -> str:
        return cast(str, getattr(row, self._shape.id))

    def _values(self, row: T) -> dict[str, Any]:
        columns = {name: _plain(getattr(row, name)) for name in self._shape.columns}
        body = json.dumps(encode(row), separators=(",", ":"))
        return {**columns, "row_version": cast(Any, row).row_version, "body": body}

    def _noun(self, body: str) -> T:
        return cast(T, decode(self._shape.noun, json.loads(body)))

    def _where(self, name: str, value: Any) -> ColumnElement[bool]:
        if name not in self._shape.columns and name != "id":
            raise Broken(f"{self._table.name}: {name} is not indexed; indexed are {', '.join(self._shape.columns)}")
        column = self._table.c[name]
        if isinstance(value, tuple | frozenset | set):
            return column.in_([_plain(each) for each in value])
        return column.is_(None) if value is None else column == _plain(value)


def _plain(value: Any) -> Any:
    """Return an enum's value, because drivers do not know enums."""
    return value.value if isinstance(value, Enum) else value
