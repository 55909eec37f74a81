"""Proxies: one Envoy as its bootstrap describes it. Pure; neighbours: serving (reads it), translation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mesh.errors import Rejected
from mesh.model.nouns import Port


@dataclass(frozen=True)
class Gateway:
    """The front door; serves all namespaces."""

    id: str
    address: str
    port: int


@dataclass(frozen=True)
class Capture:
    """Where the packets of an application arrive that its pod redirects to the sidecar (mesh.capture).

    `outbound`, `inbound`: ports for its TCP connections; `dns`: port that answers its look-ups; 0 for none of these.
    `ipv6`: the listeners are to be there for IPv6 too.
    """

    outbound: int
    inbound: int
    dns: int = 0
    ipv6: bool = False


@dataclass(frozen=True)
class Sidecar:
    """The proxy of one replica; serves the calls of its namespace and its application's ports.

    `dynamic_ports`: the bootstrap did not know them; `ports` is empty and they are those of the world's endpoint with
    this id. `capture`: None where the application uses the sidecar as its HTTP proxy only.
    """

    id: str
    namespace: str
    address: str
    outbound: int
    ports: tuple[Port, ...] = ()
    dynamic_ports: bool = False
    capture: Capture | None = None


Proxy = Gateway | Sidecar


def read_proxy(node_id: str, metadata: Mapping[str, Any]) -> Proxy:
    """Read the node metadata that `mesh.sidecar` writes. Raises `Rejected` for a proxy that was started otherwise."""
    try:
        if metadata["role"] == "gateway":
            return Gateway(node_id, str(metadata["address"]), int(metadata["port"]))
        return _sidecar(node_id, metadata)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise Rejected(
            f"node metadata of proxy {node_id!r} is not usable: {error!r}",
            field="node.metadata",
            value=dict(metadata),
            remedy="start the proxy with a bootstrap written by mesh.sidecar",
        ) from error


def _sidecar(node_id: str, metadata: Mapping[str, Any]) -> Sidecar:
    dynamic = metadata.get("dynamic_ports") is True
    return Sidecar(
        node_id,
        str(metadata["namespace"]),
        str(metadata["address"]),
        int(metadata["outbound"]),
        () if dynamic else tuple(sorted(_port(port) for port in metadata["ports"])),
        dynamic,
        _capture(metadata.get("capture")),
    )


def _capture(fields: Mapping[str, Any] | None) -> Capture | None:
    if not fields:
        return None
    ports = (int(fields["outbound"]), int(fields["inbound"]), int(fields.get("dns", 0)))
    return Capture(*ports, ipv6=fields.get("ipv6") is True)


def _port(fields: Mapping[str, Any]) -> Port:
    return Port(
        name=str(fields["name"]),
        port=int(fields["port"]),
        inbound=int(fields["inbound"]),
        target=int(fields["target"]),
        protocol=str(fields.get("protocol", "http")),
    )
