"""Conditions: the status of Gateway API objects from verdicts. Pure; times are arguments (RFC 3339).

A condition keeps its `lastTransitionTime` while its status stays (Kubernetes API conventions), so that equal verdicts
give equal statuses and nothing is written again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from mesh.sources.kubernetes.gateways import CONTROLLER, GROUP, PROGRAMMED_ROUTE, Refusal, Verdict

Json = Mapping[str, Any]
WAITING = "Pending"


def class_status(item: Json, now: str) -> dict[str, Any]:
    """Return the status of a GatewayClass of ours."""
    held = (item.get("status") or {}).get("conditions") or ()
    return {"conditions": [_condition("Accepted", None, item, held, now)]}


def gateway_status(item: Json, verdicts: Iterable[Verdict], waiting: Sequence[str], now: str) -> dict[str, Any]:
    """Return the status of a Gateway; `waiting`: proxies that have not taken the routes yet, in words."""
    metadata, told = item["metadata"], item.get("status") or {}
    place = (metadata["namespace"], metadata["name"])
    attached = sum(1 for each in verdicts if each.refusal is None and _place(each) == place)
    before = {each["name"]: each for each in told.get("listeners") or ()}
    listeners = []
    for number, listener in enumerate(item["spec"].get("listeners") or ()):
        refusal = None
        if listener.get("protocol") != "HTTP":
            said = f"spec.listeners[{number}].protocol: {listener.get('protocol')}: only HTTP is supported yet"
            refusal = Refusal("UnsupportedProtocol", said)
        held = (before.get(listener["name"]) or {}).get("conditions") or ()
        listeners.append(
            {
                "name": listener["name"],
                "attachedRoutes": attached if refusal is None else 0,
                "supportedKinds": [{"group": GROUP, "kind": "HTTPRoute"}],
                "conditions": _three(item, held, refusal, waiting, "Programmed", now),
            }
        )
    usable = any(each.get("protocol") == "HTTP" for each in item["spec"].get("listeners") or ())
    none = None if usable else Refusal("ListenersNotValid", "spec.listeners: none of them has protocol HTTP")
    held = told.get("conditions") or ()
    accepted, _, programmed = _three(item, held, none, waiting, "Programmed", now)
    return {"conditions": [accepted, programmed], "listeners": listeners}


def route_status(route: Json, verdicts: Iterable[Verdict], waiting: Sequence[str], now: str) -> dict[str, Any]:
    """Return the status of an HTTPRoute: what other controllers said, and ours."""
    told = (route.get("status") or {}).get("parents") or ()
    parents = [each for each in told if each.get("controllerName") != CONTROLLER]
    mine = {str(each.get("parentRef")): each for each in told if each.get("controllerName") == CONTROLLER}
    for verdict in verdicts:
        held = (mine.get(str(verdict.parent)) or {}).get("conditions") or ()
        conditions = _three(route, held, verdict.refusal, waiting, PROGRAMMED_ROUTE, now)
        parents.append({"parentRef": dict(verdict.parent), "controllerName": CONTROLLER, "conditions": conditions})
    return {"parents": parents}


def _three(
    item: Json, held: Iterable[Json], refusal: Refusal | None, waiting: Sequence[str], last: str, now: str
) -> list[dict[str, Any]]:
    refused = {kind: refusal if refusal and refusal.kind == kind else None for kind in ("Accepted", "ResolvedRefs")}
    late = Refusal(WAITING, "; ".join(waiting)[:1000]) if waiting else None
    if refusal is not None:
        late = Refusal("Invalid", refusal.message)
    return [
        _condition("Accepted", refused["Accepted"], item, held, now),
        _condition("ResolvedRefs", refused["ResolvedRefs"], item, held, now),
        _condition(last, late, item, held, now),
    ]


def _condition(kind: str, refusal: Refusal | None, item: Json, held: Iterable[Json], now: str) -> dict[str, Any]:
    status = "True" if refusal is None else "False"
    before = next((each for each in held if each.get("type") == kind and each.get("status") == status), {})
    return {
        "type": kind,
        "status": status,
        "reason": kind.rpartition("/")[2] if refusal is None else refusal.reason,
        "message": "" if refusal is None else refusal.message,
        "observedGeneration": item["metadata"].get("generation", 0),
        "lastTransitionTime": before.get("lastTransitionTime") or now,
    }


def _place(verdict: Verdict) -> tuple[str, str]:
    parent = verdict.parent
    return str(parent.get("namespace") or verdict.route["metadata"]["namespace"]), str(parent.get("name"))
