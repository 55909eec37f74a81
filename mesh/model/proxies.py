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
class Sidecar:
    """The proxy of one replica; serves the calls of its namespace and its application's ports."""

    id: str
    namespace: str
    address: str
    outbound: int
    ports: tuple[Port, ...]


Proxy = Gateway | Sidecar


def read_proxy(node_id: str, metadata: Mapping[str, Any]) -> Proxy:
    """Read the node metadata that `mesh.sidecar` writes. Raises `Rejected` for a proxy that was started otherwise."""
    try:
        address = str(metadata["address"])
        if metadata["role"] == "gateway":
            return Gateway(node_id, address, int(metadata["port"]))
        ports = tuple(sorted(_port(port) for port in metadata["ports"]))
        return Sidecar(node_id, str(metadata["namespace"]), address, int(metadata["outbound"]), ports)
    except (KeyError, TypeError, ValueError) as error:
        raise Rejected(
            f"node metadata of proxy {node_id!r} is not usable: {error!r}",
            field="node.metadata",
            value=dict(metadata),
            remedy="start the proxy with a bootstrap written by mesh.sidecar",
        ) from error


def _port(fields: Mapping[str, Any]) -> Port:
    return Port(
        name=str(fields["name"]),
        port=int(fields["port"]),
        inbound=int(fields["inbound"]),
        target=int(fields["target"]),
        protocol=str(fields.get("protocol", "http")),
    )
