"""Probes of a container, read with the fields and defaults of Kubernetes (core/v1 Probe). Pure. Neighbour: podspec."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from delivery.adapters.platform_local.plan import ContainerPort, Probe, Probes
from delivery.adapters.platform_local.reading import Fields, shown

UNDERSTOOD = frozenset(
    {"httpGet", "tcpSocket", "exec", "initialDelaySeconds", "periodSeconds", "timeoutSeconds"}
    | {"failureThreshold", "successThreshold"}
)
REMEDY = "use httpGet, tcpSocket or exec"


def read_probes(container: Fields, ports: Mapping[str, int]) -> Probes:
    """Return the container's probes. `ports` maps the names of its ports to numbers."""
    found = {
        name: _read(container.child(field), ports) if container.has(field) else None
        for name, field in (("startup", "startupProbe"), ("readiness", "readinessProbe"), ("liveness", "livenessProbe"))
    }
    return Probes(**found)


def default_readiness(ports: tuple[ContainerPort, ...]) -> Probe | None:
    """Return the check for a container without any readiness or startup probe: does its first port accept?

    Kubernetes would call it ready at once. A process needs a moment before it listens, so that would send
    requests into nothing; a container without ports is ready when it runs.
    """
    return Probe(kind="tcp", port=ports[0].number, period=1.0) if ports else None


def port_number(fields: Fields, name: str, ports: Mapping[str, int]) -> int:
    """Return the container port a field names by number or by name."""
    value = fields.body.get(name)
    if isinstance(value, str) and value in ports:
        return ports[value]
    if isinstance(value, int) and not isinstance(value, bool) and 0 < value < 65536:
        return value
    names = ", ".join(sorted(ports)) or "none has a name"
    fields.refuse(name, f"{shown(value)} is no port of the container (named ports: {names})", "give a number or a name")


def _read(fields: Fields, ports: Mapping[str, int]) -> Probe:
    fields.known(UNDERSTOOD, frozenset({"terminationGracePeriodSeconds"}), REMEDY)
    kinds = [name for name in ("httpGet", "tcpSocket", "exec") if name in fields.body]
    if len(kinds) != 1:
        fields.refuse("httpGet", f"needs exactly one of httpGet, tcpSocket, exec; has {len(kinds)}", REMEDY)
    return replace(
        _action(kinds[0], fields.child(kinds[0]), ports),
        initial_delay=fields.number("initialDelaySeconds", 0),
        period=fields.number("periodSeconds", 10, low=1),
        timeout=fields.number("timeoutSeconds", 1, low=1),
        failure_threshold=int(fields.number("failureThreshold", 3, low=1)),
        success_threshold=int(fields.number("successThreshold", 1, low=1)),
    )


def _action(kind: str, action: Fields, ports: Mapping[str, int]) -> Probe:
    if kind == "exec":
        return Probe(kind="exec", command=action.texts("command"))
    port = port_number(action, "port", ports)
    if kind == "tcpSocket":
        return Probe(kind="tcp", port=port)
    if action.text("scheme", "HTTP").upper() != "HTTP":
        action.refuse("scheme", "only HTTP works locally", "use plain HTTP, or tcpSocket")
    headers = tuple((header.text("name"), header.text("value")) for header in action.children("httpHeaders"))
    return Probe(kind="http", port=port, path="/" + action.text("path", "/").lstrip("/"), headers=headers)
