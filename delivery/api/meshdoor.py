"""Mesh door: what the mesh knows, passed on as it says it: services, proxies, routes, why.

Neighbour: the process `mesh`.
"""

from __future__ import annotations

from typing import Annotated, Any

import httpx
from fastapi import APIRouter, Query

from delivery.api.context import Ctx, Options
from delivery.errors import Rejected, Transient

router = APIRouter(prefix="/mesh", tags=["mesh"])

TIMEOUT = 5.0


async def ask(options: Options, path: str, query: dict[str, str]) -> Any:
    """Return the mesh's answer. Raises Transient when it is away, Rejected with its own words when it refuses."""
    base = options.mesh_url
    headers = {"authorization": f"Bearer {options.mesh_token}"} if options.mesh_token else {}
    try:
        verify = not base.startswith("http://")  # to load the authorities would hold the event loop for 40 ms
        async with httpx.AsyncClient(base_url=base, timeout=TIMEOUT, trust_env=False, verify=verify) as client:
            asked = {name: value for name, value in query.items() if value}
            response = await client.get(path, params=asked, headers=headers)
        body = response.json()
    except (httpx.HTTPError, ValueError) as error:
        raise Transient(f"the mesh at {base} does not answer ({type(error).__name__})", retry_after=1.0) from error
    if response.status_code >= 500:
        raise Transient(f"the mesh answered {response.status_code}: {_detail(body)}")
    if response.status_code >= 400:
        refusal = Rejected(_detail(body), field=_text(body, "field"), remedy=_text(body, "remedy"))
        refusal.status = response.status_code
        raise refusal
    return body


def listed(body: Any, name: str) -> dict[str, Any]:
    """Return the answer as a page: `items`, whatever the mesh calls its list."""
    if isinstance(body, list):
        return {"items": body, "next": None}
    if isinstance(body, dict) and "items" not in body and isinstance(body.get(name), list):
        return {**body, "items": body[name], "next": None}
    return dict(body)


@router.get("/services")
async def services(ctx: Ctx, namespace: str = "") -> dict[str, Any]:
    """List services with their colours, versions and endpoints."""
    return listed(await ask(ctx.options, "/v1/services", {"namespace": namespace}), "services")


@router.get("/proxies")
async def proxies(ctx: Ctx) -> dict[str, Any]:
    """List connected Envoys, what they have accepted and what they refused."""
    return listed(await ask(ctx.options, "/v1/proxies", {}), "proxies")


@router.get("/routes")
async def routes(ctx: Ctx, namespace: str = "") -> dict[str, Any]:
    """List routes: host, colour, service, weights."""
    return listed(await ask(ctx.options, "/v1/routes", {"namespace": namespace}), "routes")


@router.get("/status")
async def status(ctx: Ctx) -> dict[str, Any]:
    """Tell how the mesh is."""
    return dict(await ask(ctx.options, "/v1/status", {}))


@router.get("/why")
async def why(
    ctx: Ctx,
    service: Annotated[str, Query(max_length=63)] = "",
    namespace: Annotated[str, Query(max_length=63)] = "",
    color: Annotated[str, Query(max_length=40)] = "",
    host: Annotated[str, Query(max_length=253, description="Instead of a service: the host a browser asks for")] = "",
) -> dict[str, Any]:
    """Explain where a request would go, and why."""
    name = host or ".".join(part for part in (service, namespace) if part)
    if not name:
        raise Rejected(
            "neither a service nor a host is given", field="service", remedy="e.g. ?service=reviews&color=alice"
        )
    return dict(await ask(ctx.options, "/v1/why", {"host": name, "color": color}))


def _detail(body: Any) -> str:
    return _text(body, "detail") or _text(body, "title") or "no reason given"


def _text(body: Any, name: str) -> str:
    return str(body.get(name, "")) if isinstance(body, dict) else ""
