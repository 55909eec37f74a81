"""Session: what all commands share: which API, which token; and the options they have in common. Neighbours: client."""

from __future__ import annotations

import getpass
from contextvars import ContextVar
from typing import Annotated

import typer

from delivery.cli.client import Api

DEFAULT_API = "http://127.0.0.1:8000"

Json = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]
Project = Annotated[str, typer.Option("--project", "-p", help="Name of the project.", envvar="COLORLANE_PROJECT")]
Limit = Annotated[int, typer.Option("--limit", min=1, max=500, help="Rows at most.")]


_told: ContextVar[Api | None] = ContextVar("api", default=None)


def use(api: Api) -> None:
    """Remember the API the root command was told of."""
    _told.set(api)


def api() -> Api:
    """Return that API, or the default."""
    return _told.get() or Api(DEFAULT_API)


def person() -> str:
    """Return who sits at the keyboard, for the audit trail."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return ""
