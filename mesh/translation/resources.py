"""Resource: one named xDS resource, serialised once, with its version and what it needs. Base of the translation files.

The version is a hash of the content, so it is the same after a restart and on every replica: a proxy that reconnects
is sent nothing it has (xDS protocol, `initial_resource_versions`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from mesh.protos import duration, message, pack, type_url

CLUSTER: Final = type_url("envoy.config.cluster.v3.Cluster")
ENDPOINTS: Final = type_url("envoy.config.endpoint.v3.ClusterLoadAssignment")
LISTENER: Final = type_url("envoy.config.listener.v3.Listener")
ROUTES: Final = type_url("envoy.config.route.v3.RouteConfiguration")
RUNTIME: Final = type_url("envoy.service.runtime.v3.Runtime")

SHORT_NAMES: Final = {CLUSTER: "CDS", ENDPOINTS: "EDS", LISTENER: "LDS", ROUTES: "RDS", RUNTIME: "RTDS"}


@dataclass(frozen=True)
class Resource:
    """`wire`: a serialised envoy.service.discovery.v3.Resource, shared by all proxies. `needs`: clusters that must be
    warm before this resource is sent."""

    name: str
    version: str
    wire: bytes
    needs: tuple[str, ...] = ()

    @classmethod
    def of(
        cls, name: str, content: Any, *, needs: tuple[str, ...] = (), ttl: float = 0.0, parent: str = ""
    ) -> Resource:
        """Serialise a message as the resource `name`; `ttl` in seconds, 0 for ever.

        `parent` is the version of a resource with which this one must be sent again whenever that changes.
        """
        wrapped = pack(content)
        version = hashlib.sha256(parent.encode() + wrapped.value).hexdigest()[:16]
        envelope = message("envoy.service.discovery.v3.Resource")(name=name, version=version)
        if ttl:
            envelope.ttl.CopyFrom(duration(ttl))
        envelope.resource.CopyFrom(wrapped)
        return cls(name, version, envelope.SerializeToString(deterministic=True), needs)


Table = Mapping[str, Resource]
"""Resources of one type by name."""


def table(*resources: Resource) -> dict[str, Resource]:
    """Return the resources by name, sorted."""
    return {resource.name: resource for resource in sorted(resources, key=lambda resource: resource.name)}
