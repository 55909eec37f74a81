"""Gateways: Gateway API objects in, exposed namespaces and status conditions out. Pure.

Taken is what the mesh does today: a host name and everything below it lead to one port of one Service. Whatever else a
route asks for is refused with the path of the field, and changes nothing. Spec: https://gateway-api.sigs.k8s.io/ (v1).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from mesh.model.nouns import Namespace

Json = Mapping[str, Any]
CONTROLLER: Final = "colorlane.dev/gateway"
GROUP: Final = "gateway.networking.k8s.io"
PROGRAMMED_ROUTE: Final = "colorlane.dev/Programmed"
RULE_FIELDS: Final = ("name", "matches", "backendRefs")
BACKEND_FIELDS: Final = ("group", "kind", "name", "namespace", "port", "weight")

Lookup = Callable[[str, str], tuple[str, frozenset[int]] | None]
"""(Kubernetes namespace, Service) -> (namespace of the mesh, its ports); None where there is no such Service."""


class Refusal(Exception):
    """Why a field cannot be taken: `reason` is a word of the specification, `kind` the condition that says it."""

    def __init__(self, reason: str, message: str, kind: str = "Accepted") -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message
        self.kind = kind


@dataclass(frozen=True)
class Verdict:
    """What is said of one route at one of our Gateways."""

    route: Json
    parent: Json
    refusal: Refusal | None
    namespace: Namespace | None = None


def ours(classes: Iterable[Json], gateways: Iterable[Json]) -> tuple[list[Json], list[Json]]:
    """Return the classes that name this controller, and their Gateways."""
    mine = [each for each in classes if each["spec"].get("controllerName") == CONTROLLER]
    names = {each["metadata"]["name"] for each in mine}
    return mine, [each for each in gateways if each["spec"].get("gatewayClassName") in names]


def judge(gateways: Iterable[Json], routes: Iterable[Json], lookup: Lookup, taken: Mapping[str, str]) -> list[Verdict]:
    """Judge every route at every Gateway of ours that it names.

    `taken`: domains that projects have already, domain -> namespace. Of two routes that want one domain or one
    namespace the older has it.
    """
    by_name = {(each["metadata"]["namespace"], each["metadata"]["name"]): each for each in gateways}
    held = {domain: (name, f"project {name}") for domain, name in taken.items()}
    found = []
    for route in sorted(routes, key=_age):
        for parent in _list(route["spec"], "parentRefs"):
            place = (parent.get("namespace") or route["metadata"]["namespace"], parent.get("name"))
            gateway = by_name.get(place) if parent.get("kind", "Gateway") == "Gateway" else None
            if gateway is not None:
                found.append(_judge(route, parent, gateway, lookup, held))
    return found


def _judge(route: Json, parent: Json, gateway: Json, lookup: Lookup, held: dict[str, tuple[str, str]]) -> Verdict:
    owner = f"HTTPRoute {route['metadata']['namespace']}/{route['metadata']['name']}"
    try:
        domain = _domain(route)
        _attached(route, parent, gateway, domain)
        namespace = _entry(route, domain, lookup, owner)
    except Refusal as refusal:
        return Verdict(route, parent, refusal)
    for other, (name, holder) in held.items():
        if holder != owner and (other == domain or name == namespace.name):
            said = f"spec.hostnames[0]: {domain}: {holder} has {other}, and a namespace has one domain"
            return Verdict(route, parent, Refusal("UnsupportedValue", said))
    held[domain] = (namespace.name, owner)
    return Verdict(route, parent, None, namespace)


def _age(route: Json) -> tuple[str, str, str]:
    metadata = route["metadata"]
    return str(metadata.get("creationTimestamp", "")), str(metadata["namespace"]), str(metadata["name"])


def _domain(route: Json) -> str:
    names = _list(route["spec"], "hostnames")
    if len(names) != 1:
        raise Refusal("UnsupportedValue", f"spec.hostnames: {len(names)} names; exactly one is supported")
    if names[0].startswith("*."):
        raise Refusal(
            "UnsupportedValue", f"spec.hostnames[0]: {names[0]}: name the domain; what is below it is served as well"
        )
    return str(names[0])


def _attached(route: Json, parent: Json, gateway: Json, domain: str) -> None:
    """Refuse a route that no listener of the Gateway lets in."""
    listeners = [
        each
        for each in _list(gateway["spec"], "listeners")
        if parent.get("sectionName") in (None, each["name"]) and parent.get("port") in (None, each.get("port"))
    ]
    usable = [each for each in listeners if each.get("protocol") == "HTTP"]
    if not usable:
        raise Refusal("NoMatchingParent", "spec.parentRefs: the Gateway has no such listener with protocol HTTP")
    near = route["metadata"]["namespace"] == gateway["metadata"]["namespace"]
    allowed = [each for each in usable if near or _from(each) == "All"]
    if not allowed:
        raise Refusal(
            "NotAllowedByListeners",
            "spec.parentRefs: the listener takes routes of its own namespace only (allowedRoutes.namespaces.from: "
            "All lets others in; Selector is not supported yet)",
        )
    if not any(_covers(each.get("hostname") or "", domain) for each in allowed):
        raise Refusal("NoMatchingListenerHostname", f"spec.hostnames[0]: {domain}: no listener has this hostname")


def _from(listener: Json) -> str:
    return str(((listener.get("allowedRoutes") or {}).get("namespaces") or {}).get("from", "Same"))


def _covers(hostname: str, domain: str) -> bool:
    return not hostname or hostname == domain or (hostname.startswith("*.") and domain.endswith(hostname[1:]))


def _entry(route: Json, domain: str, lookup: Lookup, owner: str) -> Namespace:
    rules = _list(route["spec"], "rules")
    if len(rules) != 1:
        raise Refusal("UnsupportedValue", f"spec.rules: {len(rules)} rules; exactly one is supported")
    _only(rules[0], RULE_FIELDS, "spec.rules[0]")
    matches = _list(rules[0], "matches")
    for number, match in enumerate(matches):
        where = f"spec.rules[0].matches[{number}]"
        _only(match, ("path",), where)
        path = match.get("path") or {}
        if (path.get("type", "PathPrefix"), path.get("value", "/")) != ("PathPrefix", "/"):
            raise Refusal("UnsupportedValue", f"{where}.path: only the prefix / is supported yet")
    backends = _list(rules[0], "backendRefs")
    if len(backends) != 1:
        raise Refusal("UnsupportedValue", f"spec.rules[0].backendRefs: {len(backends)}; exactly one is supported")
    return _backend(route, backends[0], domain, lookup, owner)


def _backend(route: Json, backend: Json, domain: str, lookup: Lookup, owner: str) -> Namespace:
    where, home = "spec.rules[0].backendRefs[0]", str(route["metadata"]["namespace"])
    _only(backend, BACKEND_FIELDS, where)
    if (backend.get("group", ""), backend.get("kind", "Service")) != ("", "Service"):
        raise Refusal("InvalidKind", f"{where}.kind: only a Service is supported", "ResolvedRefs")
    if backend.get("namespace", home) != home:
        raise Refusal("RefNotPermitted", f"{where}.namespace: only the route's own is supported yet", "ResolvedRefs")
    if backend.get("weight", 1) == 0:
        raise Refusal("UnsupportedValue", f"{where}.weight: 0 would leave the host without an answer")
    name, port = str(backend["name"]), int(backend.get("port") or 0)
    known = lookup(home, name)
    if known is None:
        raise Refusal("BackendNotFound", f"{where}.name: there is no Service {name}", "ResolvedRefs")
    if port not in known[1]:
        raise Refusal("BackendNotFound", f"{where}.port: Service {name} has no port {port}", "ResolvedRefs")
    return Namespace(known[0], domain, name, port, owner)


def _list(part: Json, field: str) -> Sequence[Any]:
    found: Sequence[Any] = part.get(field) or ()
    return found


def _only(part: Json, known: Iterable[str], where: str) -> None:
    for field in sorted(part.keys() - set(known)):
        if part[field]:
            raise Refusal("UnsupportedValue", f"{where}.{field}: not supported yet")
