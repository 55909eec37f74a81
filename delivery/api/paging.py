"""Paging: every list is a page: `items`, and `next`, the offset of the page after it or null.

Neighbours: all list routes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Annotated, Any, Generic, TypeVar

from fastapi import Depends, Query
from pydantic import BaseModel, Field

from delivery.ports.store import Repository

T = TypeVar("T")
R = TypeVar("R")


class Page(BaseModel, Generic[T]):
    """One page of a list."""

    items: list[T]
    limit: int
    offset: int
    next: int | None = Field(None, description="`offset` of the next page; null on the last one")


class Window(BaseModel):
    """What part of a list is wanted."""

    limit: int
    offset: int


def window(
    limit: Annotated[int, Query(ge=1, le=500, description="Rows on a page")] = 100,
    offset: Annotated[int, Query(ge=0, le=1_000_000_000, description="Rows before the page")] = 0,
) -> Window:
    """Read the page wanted from the query."""
    return Window(limit=limit, offset=offset)


Wanted = Annotated[Window, Depends(window)]


def page_of(
    repository: Repository[R], wanted: Window, show: Callable[[R], T], *, newest_first: bool = True, **equals: Any
) -> Page[T]:
    """Return a page of a repository; filters that are None or "" are left out.

    One row more than wanted is read: it tells whether there is a next page.
    """
    given = {name: value for name, value in equals.items() if value not in (None, "")}
    rows = repository.find(limit=wanted.limit + 1, offset=wanted.offset, newest_first=newest_first, **given)
    return page(rows, wanted, show)


def page(rows: Sequence[R], wanted: Window, show: Callable[[R], T]) -> Page[T]:
    """Return the page made of at most limit + 1 rows."""
    more = len(rows) > wanted.limit
    return Page[Any](
        items=[show(row) for row in rows[: wanted.limit]],
        limit=wanted.limit,
        offset=wanted.offset,
        next=wanted.offset + wanted.limit if more else None,
    )
