"""EDS: which replicas take traffic. Each carries who it is as metadata, for telemetry and the route receipt."""

from __future__ import annotations

from functools import lru_cache

from mesh.model.lanes import Member
from mesh.model.nouns import Endpoint, State
from mesh.protos import message
from mesh.translation import access
from mesh.translation.resources import Resource

CACHED = 20_000


@lru_cache(maxsize=CACHED)
def assignment(cluster: Resource, port: int, endpoints: tuple[Endpoint, ...]) -> Resource:
    """The replicas of one version that are ready and have the port; `endpoints` come sorted by id.

    A changed cluster warms anew and Envoy does not ask for its endpoints then (mesh.serving.session).
    """
    content = message("envoy.config.endpoint.v3.ClusterLoadAssignment")(cluster_name=cluster.name)
    locality = content.endpoints.add() if endpoints else content.endpoints
    for endpoint in endpoints:
        who = access.endpoint_metadata(endpoint.namespace, endpoint.service, endpoint.color, endpoint.version)
        for number in (candidate.inbound for candidate in endpoint.ports if candidate.port == port):
            host = locality.lb_endpoints.add()
            host.endpoint.address.socket_address.address = endpoint.address
            host.endpoint.address.socket_address.port_value = number
            host.metadata.CopyFrom(who)
    return Resource.of(cluster.name, content, parent=cluster.version)


Replicas = dict[tuple[str, Member], tuple[Endpoint, ...]]


def ready_replicas(endpoints: list[Endpoint]) -> Replicas:
    """Group the ready endpoints of a namespace by service and member, each group sorted by id."""
    groups: dict[tuple[str, Member], list[Endpoint]] = {}
    for endpoint in sorted(endpoints, key=lambda each: each.id):
        if endpoint.state is State.READY:
            groups.setdefault((endpoint.service, Member(endpoint.color, endpoint.version)), []).append(endpoint)
    return {key: tuple(group) for key, group in groups.items()}
