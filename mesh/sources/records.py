"""Records: nouns as JSON text and back, as the store keeps them. Pure. Unknown fields are ignored, so that an older
replica can read what a newer one wrote."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from mesh.model.nouns import (
    Endpoint,
    Environment,
    Fallback,
    Intent,
    LaneKey,
    Namespace,
    Port,
    State,
    read_color,
    written,
)


def lane_field(key: LaneKey) -> str:
    """Return the hash field of a lane."""
    return str(key)


def read_lane_field(field: str) -> LaneKey:
    """Inverse of `lane_field`."""
    namespace, service, color = field.split("/")
    return LaneKey(namespace, service, read_color(color))


def environment_field(namespace: str, color: str) -> str:
    """Return the hash field of an environment."""
    return f"{namespace}/{written(color)}"


def write_intent(intent: Intent) -> str:
    """Return the intent as JSON."""
    return _text(
        {
            "generation": intent.generation,
            "stable": intent.stable,
            "weights": dict(intent.weights),
            "withdrawn": intent.withdrawn,
        }
    )


def read_intent(field: str, text: str) -> Intent:
    """Inverse of `write_intent`."""
    record = json.loads(text)
    return Intent(
        key=read_lane_field(field),
        generation=int(record["generation"]),
        stable=record["stable"],
        weights={version: int(weight) for version, weight in sorted(record["weights"].items())},
        withdrawn=bool(record["withdrawn"]),
    )


def write_namespace(namespace: Namespace) -> str:
    """Return the namespace as JSON."""
    entry = {"service": namespace.entry_service, "port": namespace.entry_port}
    return _text({"domain": namespace.domain, "entry": entry})


def read_namespace(field: str, text: str) -> Namespace:
    """Inverse of `write_namespace`."""
    record = json.loads(text)
    return Namespace(field, record["domain"], record["entry"]["service"], int(record["entry"]["port"]))


def write_environment(environment: Environment) -> str:
    """Return the environment as JSON."""
    return _text({"base": environment.base, "fallback": environment.fallback.value})


def read_environment(field: str, text: str) -> Environment:
    """Inverse of `write_environment`."""
    namespace, color = field.split("/")
    record = json.loads(text)
    return Environment(namespace, read_color(color), record["base"], Fallback(record["fallback"]))


def write_endpoints(endpoints: Iterable[Endpoint]) -> str:
    """Return the endpoints of one node as JSON."""
    return _text([_endpoint_record(endpoint) for endpoint in endpoints])


def read_endpoints(node: str, text: str) -> list[Endpoint]:
    """Inverse of `write_endpoints`."""
    return [_read_endpoint(node, record) for record in json.loads(text)]


def write_ports(ports: Mapping[int, str]) -> str:
    """Return a service's ports, number -> protocol, as JSON."""
    return _text({str(number): protocol for number, protocol in ports.items()})


def read_ports(text: str) -> dict[int, str]:
    """Inverse of `write_ports`."""
    return {int(number): protocol for number, protocol in json.loads(text).items()}


def _text(record: object) -> str:
    return json.dumps(record, sort_keys=True, separators=(",", ":"))


def _endpoint_record(endpoint: Endpoint) -> dict[str, Any]:
    return {
        "id": endpoint.id,
        "namespace": endpoint.namespace,
        "service": endpoint.service,
        "color": endpoint.color,
        "version": endpoint.version,
        "address": endpoint.address,
        "ports": [
            {
                "name": port.name,
                "port": port.port,
                "inbound": port.inbound,
                "target": port.target,
                "protocol": port.protocol,
            }
            for port in endpoint.ports
        ],
        "outbound": endpoint.outbound,
        "state": endpoint.state.value,
    }


def _read_endpoint(node: str, record: dict[str, Any]) -> Endpoint:
    return Endpoint(
        id=record["id"],
        node=node,
        namespace=record["namespace"],
        service=record["service"],
        color=record["color"],
        version=record["version"],
        address=record["address"],
        ports=tuple(
            Port(port["name"], int(port["port"]), int(port["inbound"]), int(port["target"]), port["protocol"])
            for port in record["ports"]
        ),
        outbound=int(record["outbound"]),
        state=State(record["state"]),
    )
