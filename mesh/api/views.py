"""What people and programs read of the mesh, as JSON-able dicts. Pure; from world and standings."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from mesh.model.lanes import Lane, implied_intent, line_of_bases, live_intent, service_lanes
from mesh.model.nouns import BASELINE, Intent, LaneKey, Namespace, State, written
from mesh.model.world import World
from mesh.serving.ledger import Standing


def intent_view(intent: Intent, waiting_on: Sequence[str]) -> dict[str, Any]:
    """Return an intent and whether proxies have accepted it."""
    return {
        "generation": intent.generation,
        "stable": intent.stable,
        "weights": dict(intent.weights),
        "withdrawn": intent.withdrawn,
        "programmed": not waiting_on,
        "waiting_on": list(waiting_on),
    }


def proxy_view(standing: Standing, revision: int) -> dict[str, Any]:
    """Return how a proxy stands."""
    return {
        "id": standing.proxy,
        "namespace": standing.namespace,
        "revision": standing.revision,
        "synced": standing.revision == revision,
        "waiting_on": list(standing.waiting_on),
    }


def services_view(world: World) -> list[dict[str, Any]]:
    """Return every service with its lanes."""
    return [
        {
            "namespace": namespace,
            "service": service,
            "ports": sorted(world.ports[namespace, service]),
            "lanes": [
                _lane_view(world, LaneKey(namespace, service, color)) for color in _colors(world, namespace, service)
            ],
        }
        for namespace, service in sorted(world.ports)
    ]


def _colors(world: World, namespace: str, service: str) -> list[str]:
    said = {each.color for each in world.replicas_of(namespace, service)}
    asked = {key.color for key in world.intents if (key.namespace, key.service) == (namespace, service)}
    return sorted(said | asked)


def _lane_view(world: World, key: LaneKey) -> dict[str, Any]:
    intent = world.intents.get(key) or implied_intent(world, key)
    return {
        "color": written(key.color),
        "stable": intent.stable if intent else "",
        "weights": dict(intent.weights) if intent else {},
        "generation": intent.generation if intent else 0,
        "replicas": [
            {"id": each.id, "version": each.version, "state": each.state.value, "locality": each.locality}
            for each in sorted(world.replicas_of(key.namespace, key.service), key=lambda each: each.id)
            if each.color == key.color
        ],
    }


def routes_view(world: World, namespace: str = "") -> list[dict[str, Any]]:
    """Return what each colour selects; services whose lane is the baseline's are left out of coloured rows."""
    rows = []
    for owner, service in sorted(world.ports):
        if namespace in ("", owner):
            plan = service_lanes(world, owner, service)
            selects = {BASELINE: BASELINE, **plan.selects}
            rows += [
                {"namespace": owner, "service": service, "color": written(color), "targets": _targets(plan.owned[lane])}
                for color, lane in sorted(selects.items())
                if lane in plan.owned
            ]
    return rows


def _targets(lane: Lane) -> list[dict[str, Any]]:
    return [
        {
            "version": target.version,
            "chain": [f"{written(member.color)}|{member.version}" for member in target.chain],
        }
        for target in lane.targets
    ]


def why_view(world: World, host: str, color: str) -> dict[str, Any]:
    """Explain where a request to a host with a colour goes: at the gateway by domain, else as a service name."""
    name = host.partition(":")[0].lower()
    found = _at_gateway(world, name) or _in_mesh(world, name)
    if found is None:
        return {"host": host, "answer": "no project and no service has this name; a sidecar passes it to the outside"}
    namespace, service, label = found
    color = label or color
    plan = service_lanes(world, namespace, service)
    owner = plan.selects.get(color, BASELINE)
    steps = [f"host {host} leads to service {service} of {namespace}"]
    if color and (namespace, color) not in world.environments:
        steps.append(f"colour {color} is not known here: the baseline answers")
    elif color:
        line = [written(step) for step in line_of_bases(world, namespace, color)]
        steps.append(f"colour {color} looks for a workload along {' > '.join(line)}: lane {written(owner)}")
    if owner not in plan.owned:
        steps.append(f"{service} has no intent in lane {written(owner)}: 503")
        return {"host": host, "color": written(color), "steps": steps, "targets": []}
    intent = live_intent(world, namespace, service, owner)
    weights = dict(intent.weights) if intent else {}
    asked = f"generation {intent.generation}" if intent and intent.generation else "nobody asked for any"
    steps.append(f"weights of the lane ({asked}): {weights}")
    targets = [
        {**target, "weight": weights.get(target["version"], 0), "ready": _ready(world, namespace, service, target)}
        for target in _targets(plan.owned[owner])
    ]
    return {"host": host, "color": written(color), "steps": steps, "targets": targets}


def _at_gateway(world: World, host: str) -> tuple[str, str, str] | None:
    for namespace in world.namespaces.values():
        if namespace.domain and (host == namespace.domain or host.endswith(f".{namespace.domain}")):
            return _labelled(namespace, host)
    return None


def _labelled(namespace: Namespace, host: str) -> tuple[str, str, str]:
    label = host.removesuffix(namespace.domain).rstrip(".")
    color, separator, service = label.partition("--")
    return namespace.name, service if separator else namespace.entry_service, color


def _in_mesh(world: World, host: str) -> tuple[str, str, str] | None:
    service, _, rest = host.partition(".")
    for namespace, name in sorted(world.ports):
        if name == service and rest in ("", namespace, f"{namespace}.svc", f"{namespace}.svc.cluster.local"):
            return namespace, service, ""
    return None


def _ready(world: World, namespace: str, service: str, target: dict[str, Any]) -> list[int]:
    """Ready replicas of each member of the chain."""
    return [
        sum(
            1
            for each in world.endpoints.values()
            if (each.namespace, each.service) == (namespace, service)
            and f"{written(each.color)}|{each.version}" == member
            and each.state is State.READY
        )
        for member in target["chain"]
    ]


def status_view(world: World, revision: int, standings: Iterable[Standing]) -> dict[str, Any]:
    """Return counts, and who lags."""
    standings = list(standings)
    return {
        "revision": revision,
        "namespaces": len(world.namespaces),
        "environments": len(world.environments),
        "intents": sum(1 for intent in world.intents.values() if not intent.withdrawn),
        "endpoints": len(world.endpoints),
        "proxies": len(standings),
        "lagging": [f"{each.proxy}: {reason}" for each in standings for reason in each.waiting_on],
    }


def metrics_text(
    world: World, revision: int, standings: Iterable[Standing], registry: Mapping[str, Any] | None = None
) -> str:
    """Return gauges of the control plane in the Prometheus text format."""
    status = status_view(world, revision, standings)
    lines = []
    for name in ("revision", "namespaces", "environments", "intents", "endpoints", "proxies"):
        lines += [f"# TYPE colorlane_mesh_{name} gauge", f"colorlane_mesh_{name} {status[name]}"]
    lines += ["# TYPE colorlane_mesh_lagging_proxies gauge", f"colorlane_mesh_lagging_proxies {len(status['lagging'])}"]
    for name in ("synced", "stale_seconds", "services", "pods", "endpoints") if registry else ():
        value = (registry or {})[name]
        lines += [f"# TYPE colorlane_mesh_registry_{name} gauge", f"colorlane_mesh_registry_{name} {float(value):g}"]
    return "\n".join(lines) + "\n"
