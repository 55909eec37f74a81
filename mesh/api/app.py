"""The FastAPI application. Reads come from the hub, writes go through the store and come back to the hub from there.

What proxies have accepted is asked of all replicas of the mesh (`serving.fleet`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from fastapi import APIRouter, FastAPI
from fastapi.responses import PlainTextResponse

from mesh.api import views
from mesh.api.bodies import (
    ColorPath,
    EnvironmentBody,
    GenerationQuery,
    IntentBody,
    LabelPath,
    NamespaceBody,
    NodeBody,
    NodePath,
)
from mesh.api.guard import Guard
from mesh.api.internal import ReadCounts, TakeAll, internal_routes
from mesh.api.problems import handle_problems
from mesh.errors import Conflict, NotFound, Rejected, Transient
from mesh.model.nouns import Endpoint, Environment, Intent, LaneKey, Namespace, State, read_color
from mesh.serving.fleet import SILENT, Fleet
from mesh.serving.hub import Hub


class Store(Protocol):
    """Durable writes; see mesh.sources.store_redis."""

    async def put_namespace(self, namespace: Namespace) -> None: ...
    async def remove_namespace(self, name: str) -> None: ...
    async def put_environment(self, environment: Environment) -> None: ...
    async def remove_environment(self, namespace: str, color: str) -> None: ...
    async def put_intent(self, intent: Intent) -> None: ...
    async def put_node(self, node: str, endpoints: list[Endpoint]) -> None: ...
    async def put_ports(self, ports: Mapping[tuple[str, str], Mapping[int, str]]) -> None: ...


class Telemetry(Protocol):
    """Cumulative counts; see mesh.telemetry."""

    async def answer(self, namespace: str, service: str, color: str) -> Mapping[str, Any]:
        """Return counts by version; `color` is "" for the baseline."""
        ...


@dataclass
class Doors:
    """`token`: what callers must show, "" where none is asked for. `leaving`: this replica is going: it is not ready,
    and ends connections. `read`, `take`: counts that other replicas ask for, and exports they pass on. `registry`: how
    well the cluster is followed that endpoints come from, where they do. `injection`: whether the webhook is
    registered, and which pods were made without it."""

    token: str = field(default="", repr=False)
    leaving: bool = False
    read: ReadCounts | None = None
    take: TakeAll | None = None
    registry: Callable[[], dict[str, Any]] | None = None
    injection: Callable[[], dict[str, Any]] | None = None


def create_app(
    hub: Hub, store: Store, telemetry: Telemetry, fleet: Fleet | None = None, doors: Doors | None = None
) -> FastAPI:
    """Return the application. Without a fleet this replica is the only one."""
    fleet, doors = fleet or Fleet(hub), doors or Doors()
    app = FastAPI(title="Colorlane mesh", version="1", docs_url="/docs", redoc_url=None)
    handle_problems(app)
    app.add_middleware(Guard, token=doors.token, is_leaving=lambda: doors.leaving)
    for router in (
        _intents(fleet, store),
        _lanes(hub, store),
        _nodes(fleet, store),
        _reading(fleet, telemetry, doors),
        _health(hub, doors),
        internal_routes(fleet, doors.read, doors.take),
    ):
        app.include_router(router)
    return app


def _intents(fleet: Fleet, store: Store) -> APIRouter:
    router = APIRouter(prefix="/v1/intents/{namespace}/{service}/{color}", tags=["intents"])

    async def shown(key: LaneKey, *, briefly: bool = False) -> dict[str, Any]:
        intent = fleet.hub.intent(key)
        if intent is None:
            raise NotFound(f"no intent was ever made for {key}", field="path", remedy="PUT one, or check the names")
        return views.intent_view(intent, await fleet.waiting_on_intent(intent, briefly=briefly))

    @router.put("")
    async def put(namespace: LabelPath, service: LabelPath, color: ColorPath, body: IntentBody) -> dict[str, Any]:
        """Ask for weights. 409 if the mesh has seen a newer generation; the same one changes nothing."""
        key = LaneKey(namespace, service, read_color(color))
        await store.put_intent(body.noun(key))
        return await shown(key, briefly=True)

    @router.delete("")
    async def delete(
        namespace: LabelPath, service: LabelPath, color: ColorPath, generation: GenerationQuery
    ) -> dict[str, Any]:
        """Withdraw the service from the lane."""
        key = LaneKey(namespace, service, read_color(color))
        await store.put_intent(Intent(key, generation, "", {}, withdrawn=True))
        return await shown(key, briefly=True)

    @router.get("")
    async def get(namespace: LabelPath, service: LabelPath, color: ColorPath) -> dict[str, Any]:
        """Return the newest intent and whether all relevant proxies have accepted it."""
        return await shown(LaneKey(namespace, service, read_color(color)))

    return router


def _lanes(hub: Hub, store: Store) -> APIRouter:
    router = APIRouter(prefix="/v1", tags=["lanes"])

    @router.put("/namespaces/{namespace}")
    async def put_namespace(namespace: LabelPath, body: NamespaceBody) -> dict[str, Any]:
        """Expose a project at the gateway."""
        for other in hub.world.namespaces.values():
            if body.domain and other.domain == body.domain and other.name != namespace:
                raise Conflict(
                    f"domain {body.domain} belongs to namespace {other.name}",
                    field="domain",
                    value=body.domain,
                    remedy="choose another domain, or remove that namespace first",
                )
        await store.put_namespace(Namespace(namespace, body.domain, body.entry.service, body.entry.port))
        return {"namespace": namespace}

    @router.delete("/namespaces/{namespace}")
    async def delete_namespace(namespace: LabelPath) -> dict[str, Any]:
        """Forget a project with its environments and intents."""
        await store.remove_namespace(namespace)
        return {"namespace": namespace}

    @router.put("/environments/{namespace}/{color}")
    async def put_environment(namespace: LabelPath, color: ColorPath, body: EnvironmentBody) -> dict[str, Any]:
        """Make a colour known."""
        if body.base and body.base == read_color(color):
            raise Rejected(
                "an environment cannot be its own base", field="base", value=body.base, remedy="name another"
            )
        await store.put_environment(Environment(namespace, read_color(color), body.base, body.fallback))
        return {"namespace": namespace, "color": color}

    @router.delete("/environments/{namespace}/{color}")
    async def delete_environment(namespace: LabelPath, color: ColorPath) -> dict[str, Any]:
        """Forget a colour; requests that carry it are answered by the baseline."""
        await store.remove_environment(namespace, read_color(color))
        return {"namespace": namespace, "color": color}

    return router


def _nodes(fleet: Fleet, store: Store) -> APIRouter:
    router, hub = APIRouter(prefix="/v1", tags=["endpoints"]), fleet.hub

    @router.put("/nodes/{node}/endpoints")
    async def put_endpoints(node: NodePath, body: NodeBody) -> dict[str, Any]:
        """Replace all endpoints of a node."""
        ports = hub.world.ports
        await store.put_node(node, [endpoint.noun(node) for endpoint in body.endpoints])
        if hub.world.ports != ports:
            await store.put_ports(hub.world.ports)
        return {"node": node, "endpoints": len(body.endpoints)}

    @router.get("/endpoints/{endpoint_id:path}")
    async def get_endpoint(endpoint_id: str) -> dict[str, Any]:
        """Return an endpoint's state, and whether no proxy sends requests to it any more."""
        endpoint = hub.world.endpoints.get(endpoint_id)
        state = endpoint.state.value if endpoint else "unknown"
        away = endpoint is None or endpoint.state is not State.READY
        waiting = await fleet.waiting_on_endpoint(endpoint_id) if away else []
        return {"id": endpoint_id, "state": state, "withdrawn": away and not waiting, "waiting_on": waiting}

    return router


def _reading(fleet: Fleet, telemetry: Telemetry, doors: Doors) -> APIRouter:
    router, hub = APIRouter(prefix="/v1", tags=["reading"]), fleet.hub

    @router.get("/proxies")
    async def proxies() -> dict[str, Any]:
        """List connected proxies and what each has not accepted; `silent` names replicas that do not answer."""
        mine = [views.proxy_view(each, hub.revision) for each in hub.proxies()]
        if not fleet.roll.live:
            return {"proxies": mine}
        theirs, silent = await fleet.listings()
        rows = [{**row, "replica": name} for name, listing in {**theirs, fleet.name: mine}.items() for row in listing]
        return {"proxies": sorted(rows, key=lambda row: str(row["id"])), "silent": silent}

    @router.get("/services")
    async def services() -> dict[str, Any]:
        """List services with their lanes, weights and replicas."""
        return {"services": views.services_view(hub.world)}

    @router.get("/routes")
    async def routes(namespace: str = "") -> dict[str, Any]:
        """List what each colour selects, service by service."""
        return {"routes": views.routes_view(hub.world, namespace)}

    @router.get("/why")
    async def why(host: str, color: str = "") -> dict[str, Any]:
        """Explain where a request would go."""
        return views.why_view(hub.world, host, read_color(color))

    @router.get("/status")
    async def status() -> dict[str, Any]:
        """Summarise the mesh."""
        found = views.status_view(hub.world, hub.revision, hub.proxies())
        if fleet.roll.live:
            theirs, silent = await fleet.listings()
            rows = [row for listing in theirs.values() for row in listing]
            found["proxies"] += len(rows)
            found["lagging"] += [f"{row['id']}: {reason}" for row in rows for reason in row["waiting_on"]]
            found["lagging"] += [f"mesh replica {name}: {SILENT}" for name in silent]
            found["replicas"] = sorted((fleet.name, *fleet.roll.live))
        if doors.registry is not None:
            found["registry"] = doors.registry()
        if doors.injection is not None:
            found["injection"] = doors.injection()
        return found

    @router.get("/telemetry/{namespace}/{service}/{color}")
    async def read_telemetry(namespace: LabelPath, service: LabelPath, color: ColorPath) -> Mapping[str, Any]:
        """Return cumulative counts and latencies by version. 503 while the replica that counts is being replaced."""
        return await telemetry.answer(namespace, service, read_color(color))

    return router


def _health(hub: Hub, doors: Doors) -> APIRouter:
    router = APIRouter(tags=["health"])

    @router.get("/healthz")
    async def healthz() -> dict[str, str]:
        """The process answers."""
        return {"status": "ok"}

    @router.get("/readyz")
    async def readyz() -> dict[str, str]:
        """Sources are loaded and xDS is served: this application is started after both. 503 when it is going."""
        if doors.leaving:
            raise Transient("this replica is going")
        return {"status": "ready"}

    @router.get("/metrics", response_class=PlainTextResponse)
    async def metrics() -> str:
        """Metrics of the control plane in the Prometheus text format."""
        return views.metrics_text(hub.world, hub.revision, hub.proxies(), doors.registry and doors.registry())

    return router
