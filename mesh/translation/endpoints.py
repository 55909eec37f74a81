"""EDS: which replicas take traffic. Each carries who it is as metadata, for telemetry and the route receipt."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache
from itertools import groupby
from typing import Any

from mesh.model.lanes import Member
from mesh.model.nouns import Endpoint, State
from mesh.protos import message
from mesh.translation import access
from mesh.translation.resources import Resource

CACHED = 20_000


@lru_cache(maxsize=CACHED)
def assignment(cluster: Resource, port: int, endpoints: tuple[Endpoint, ...]) -> Resource:
    """The replicas of one version that are ready and have the port; `endpoints` come sorted by id.

    Localities have no weights: which replica answers does not depend on where it runs. A changed cluster warms anew and
    Envoy does not ask for its endpoints then (mesh.serving.session).
    """
    content = message("envoy.config.endpoint.v3.ClusterLoadAssignment")(cluster_name=cluster.name)
    for where, group in groupby(sorted(endpoints, key=_locality), _locality):
        locality = content.endpoints.add()
        if where:
            region, _, zone = where.rpartition("/")
            locality.locality.region, locality.locality.zone = region, zone
        for endpoint in group:
            _add(locality.lb_endpoints, endpoint, port)
    return Resource.of(cluster.name, content, parent=cluster.version)


def _locality(endpoint: Endpoint) -> str:
    return endpoint.locality


def _add(hosts: Any, endpoint: Endpoint, port: int) -> None:
    who = access.endpoint_metadata(endpoint.namespace, endpoint.service, endpoint.color, endpoint.version)
    for number in (candidate.inbound for candidate in endpoint.ports if candidate.port == port):
        host = hosts.add()
        host.endpoint.address.socket_address.address = endpoint.address
        host.endpoint.address.socket_address.port_value = number
        host.metadata.CopyFrom(who)


Ready = Mapping[Member, tuple[Endpoint, ...]]
"""The replicas of one service that take traffic, by version, sorted by id."""


def ready_replicas(endpoints: Iterable[Endpoint]) -> Ready:
    """Group the ready endpoints of a service by member, each group sorted by id."""
    groups: dict[Member, list[Endpoint]] = {}
    for endpoint in sorted(endpoints, key=lambda each: each.id):
        if endpoint.state is State.READY:
            groups.setdefault(Member(endpoint.color, endpoint.version), []).append(endpoint)
    return {key: tuple(group) for key, group in groups.items()}
