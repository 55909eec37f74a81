"""Context: what a route has at hand: the world of the flows and a few settings. Set once by `app.create`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, cast

from fastapi import Depends, Request

from delivery.api.streams import Seats
from delivery.flows.world import World


@dataclass(frozen=True)
class Options:
    """Settings the doors need.

    `webhook_cap` and `body_cap` in bytes: a GitLab push of very many files stays far below 10 MB; a body of our own
    API is a few fields. `poll` in seconds: between looks for news of a stream.
    """

    token: str = ""
    shell_token: str = ""
    mesh_url: str = ""
    mesh_token: str = field(default="", repr=False)
    git_root: str = ""
    version: str = ""
    webhook_cap: int = 10_000_000
    body_cap: int = 1_000_000
    poll: float = 0.3


@dataclass(frozen=True)
class Context:
    """Kept as `app.state.context`."""

    world: World
    options: Options
    seats: Seats = field(default_factory=Seats)


def context_of(request: Request) -> Context:
    """Return the context of the application that serves the request."""
    return cast(Context, request.app.state.context)


def world_of(request: Request) -> World:
    """Return the world of the application that serves the request."""
    return context_of(request).world


Ctx = Annotated[Context, Depends(context_of)]
Here = Annotated[World, Depends(world_of)]
