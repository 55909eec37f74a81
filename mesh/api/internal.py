"""Internal routes: what the replicas of the mesh ask each other. Not for others; not in the OpenAPI document.

Neighbours: serving.fleet (asks and answers), telemetry.shared (exports that are passed on), guard (the shared token).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request

from mesh.api import views
from mesh.model.nouns import LaneKey
from mesh.serving.fleet import Account, Fleet

TakeAll = Callable[[bytes], Awaitable[None]]
ReadCounts = Callable[[str, str, str], dict[str, object]]
Name = Annotated[str, Query(max_length=400)]


def internal_routes(fleet: Fleet, read: ReadCounts | None, take: TakeAll | None) -> APIRouter:
    """Return the routes; `read` and `take` where this replica may be the one that counts."""
    router = APIRouter(prefix="/internal", include_in_schema=False)

    @router.get("/intent")
    async def intent(namespace: Name, service: Name, color: Name = "", since: int = -1) -> dict[str, Any]:
        return _written(fleet.account(LaneKey(namespace, service, color), since=since))

    @router.get("/endpoint")
    async def endpoint(id: Name, since: int = -1) -> dict[str, Any]:
        return _written(fleet.account(None, id, since=since))

    @router.get("/proxies")
    async def proxies() -> dict[str, Any]:
        rows = [views.proxy_view(each, fleet.hub.revision) for each in fleet.hub.proxies()]
        return {"proxies": rows, "exposed": fleet.hub.world.exposures()}

    if read is not None:

        @router.get("/telemetry")
        async def telemetry(namespace: Name, service: Name, color: Name = "") -> dict[str, object]:
            return read(namespace, service, color)

    if take is not None:

        @router.post("/exports")
        async def exports(request: Request) -> dict[str, Any]:
            await take(await request.body())
            return {}

    return router


def _written(account: Account) -> dict[str, Any]:
    return {
        "position": account.position,
        "arrivals": account.arrivals,
        "waiting_on": list(account.waiting_on),
        "connected": None if account.connected is None else sorted(account.connected),
        "generation": account.generation,
        "away": account.away,
    }
