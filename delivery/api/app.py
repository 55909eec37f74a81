"""App: assembles the doors: routes, problems, the guard around all. Neighbours: `delivery.asgi` calls `create`."""

from __future__ import annotations

from pathlib import Path

from fastapi import APIRouter, FastAPI

from delivery.api import (
    deliveries,
    environments,
    health,
    meshdoor,
    problems,
    projects,
    rollouts,
    runs,
    sessions,
    shells,
    trail,
    webhooks,
    workloads,
)
from delivery.api.bodies import BodyCap
from delivery.api.context import Context, Options
from delivery.api.githost import GitHost
from delivery.api.guard import Guard
from delivery.api.pushes import PushDesk
from delivery.flows.world import World

DESCRIPTION = "Progressive delivery: preview environments by colour, canaries gated by live metrics."
V1 = (projects, deliveries, runs, workloads, shells, environments, rollouts, trail, meshdoor, sessions)


def create(world: World, options: Options) -> FastAPI:
    """Return the API as an ASGI application."""
    app = FastAPI(
        title="Colorlane", version=options.version or "0", description=DESCRIPTION, docs_url=None, redoc_url=None
    )
    app.state.context = Context(world, options)
    problems.install(app)
    version_one = APIRouter(prefix="/api/v1", responses={"default": {"model": problems.Problem}})
    for room in V1:
        version_one.include_router(room.router)
    version_one.include_router(runs.releases)
    app.include_router(version_one)
    app.include_router(webhooks.router)
    app.include_router(health.router)
    desk = PushDesk(world)
    app.mount("/git", GitHost(Path(options.git_root), desk.known, desk.pushed))
    app.add_middleware(BodyCap, cap=options.body_cap, exempt=("/git/", "/webhooks/"))
    app.add_middleware(Guard, token=options.token, shell_token=options.shell_token)
    return app
