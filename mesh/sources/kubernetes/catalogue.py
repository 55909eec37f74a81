"""Catalogue: records of the cluster in, endpoints of the mesh out. Pure; it looks again only at pods that a change
touches, so a change costs the same in a cluster of ten pods and of five thousand.

A pod with a sidecar is one endpoint. Its service is our label, else the first (by name) of the Services that select
it; its ports are those of the Services named so or selecting it. Neighbours: objects (input), mesh.model (output).

Whoever may make pods in one namespace writes their labels. So a label that names a project is believed only where that
project may live (`Lives`); else anyone could put a pod of theirs among another project's replicas.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from mesh.model.nouns import Endpoint, Port, State
from mesh.model.pods import PROXY_PORT, REGISTRY_NODE, inbound_ports
from mesh.model.world import Ports
from mesh.sources.kubernetes.mirror import Changes
from mesh.sources.kubernetes.objects import (
    NODES,
    PODS,
    SERVICES,
    SLICES,
    Name,
    Node,
    Pod,
    Record,
    Service,
    ServicePort,
    Slice,
    SliceEndpoint,
)
from mesh.sources.kubernetes.protocols import protocol

Lives = Callable[[str, str, str], bool]
"""(project, colour, Kubernetes namespace) -> whether the project's things of that colour may be there."""


def own_namespace(project: str, _color: str, kubernetes_namespace: str) -> bool:
    """Say that projects live in the namespace of their own name only."""
    return project == kubernetes_namespace


@dataclass(frozen=True)
class Update:
    """Endpoints that are new or differ, ids of those that are gone, and the ports of changed Services."""

    present: tuple[Endpoint, ...]
    gone: tuple[str, ...]
    ports: Ports

    def __bool__(self) -> bool:
        return bool(self.present or self.gone or self.ports)


class Catalogue:
    """`endpoints` are by the pod's name; `problems` says why a pod with a sidecar is none."""

    def __init__(self, lives: Lives = own_namespace) -> None:
        self._lives = lives
        self.endpoints: dict[Name, Endpoint] = {}
        self.problems: dict[Name, str] = {}
        self._services: dict[Name, Service] = {}
        self._slices: dict[Name, Slice] = {}
        self._pods: dict[Name, Pod] = {}
        self._nodes: dict[str, str] = {}  # name -> locality
        self._slices_with: defaultdict[Name, set[Name]] = defaultdict(set)  # by pod
        self._slices_of: defaultdict[Name, set[Name]] = defaultdict(set)  # by Service
        self._labelled: defaultdict[Name, set[Name]] = defaultdict(set)  # pods, by the Service their label names
        self._touched: set[Name] = set()
        self._new_ports: dict[tuple[str, str], dict[int, str]] = {}

    def take(self, plural: str, changes: Changes) -> None:
        """Take in changed records of one kind."""
        put = {
            SERVICES.plural: self._put_service,
            SLICES.plural: self._put_slice,
            PODS.plural: self._put_pod,
            NODES.plural: self._put_node,
        }[plural]
        for name in changes.gone:
            put(name, None)
        for name, record in changes.present.items():
            put(name, record)

    def update(self) -> Update:
        """Return what has changed since the last call."""
        present, gone = [], []
        for name in self._touched:
            before, after = self.endpoints.get(name), self._endpoint(name)
            if after is None:
                self.endpoints.pop(name, None)
            elif after != before:
                self.endpoints[name] = after
                present.append(after)
            if before is not None and (after is None or after.id != before.id):
                gone.append(before.id)
        self._touched.clear()
        ports, self._new_ports = self._new_ports, {}
        return Update(tuple(sorted(present, key=lambda each: each.id)), tuple(sorted(gone)), ports)

    def counts(self) -> Mapping[str, int]:
        """How much is known."""
        return {"services": len(self._services), "pods": len(self._pods), "endpoints": len(self.endpoints)}

    def service(self, namespace: str, name: str) -> tuple[str, frozenset[int]] | None:
        """Return the mesh's namespace of a Service of a Kubernetes namespace, and its ports."""
        found = self._services.get((namespace, name))
        return (self._namespace_of(found), frozenset(port.port for port in found.ports)) if found else None

    def _namespace_of(self, service: Service) -> str:
        place = service.name[0]
        return service.namespace if self._lives(service.namespace, service.color, place) else place

    # Records in

    def _put_service(self, name: Name, record: Record | None) -> None:
        if isinstance(record, Service):
            self._services[name] = record
            ports = {port.port: protocol(port.app_protocol, port.name, port.port) for port in record.ports}
            self._new_ports[self._namespace_of(record), name[1]] = ports
        else:
            self._services.pop(name, None)
        self._touched |= self._labelled.get(name, set())
        for each in self._slices_of.get(name, ()):
            self._touch(self._slices[each].endpoints, name[0])

    def _put_slice(self, name: Name, record: Record | None) -> None:
        before = self._slices.pop(name, None)
        after = record if isinstance(record, Slice) else None
        held = before.endpoints if before else ()
        told = after.endpoints if after else ()
        if before and after and (before.service, before.ports) == (after.service, after.ports):
            self._touch(set(held) ^ set(told), name[0])
        else:
            self._touch((*held, *told), name[0])
        if before:
            _drop(self._slices_of, (name[0], before.service), name)
            for each in held:
                _drop(self._slices_with, (name[0], each.pod), name)
        if after:
            self._slices[name] = after
            self._slices_of[name[0], after.service].add(name)
            for each in told:
                self._slices_with[name[0], each.pod].add(name)

    def _put_pod(self, name: Name, record: Record | None) -> None:
        before = self._pods.pop(name, None)
        if before and before.service:
            _drop(self._labelled, (name[0], before.service), name)
        if isinstance(record, Pod):
            self._pods[name] = record
            if record.service:
                self._labelled[name[0], record.service].add(name)
        self._touched.add(name)

    def _put_node(self, name: Name, record: Record | None) -> None:
        locality = record.locality if isinstance(record, Node) else ""
        if self._nodes.get(name[1], "") != locality:
            if record is None:  # nodes of a cluster that grows and shrinks have new names for ever
                del self._nodes[name[1]]
            else:
                self._nodes[name[1]] = locality
            self._touched |= {pod.name for pod in self._pods.values() if pod.node == name[1]}

    def _touch(self, endpoints: Iterable[SliceEndpoint], namespace: str) -> None:
        self._touched.update((namespace, each.pod) for each in endpoints)

    # Endpoints out

    def _endpoint(self, name: Name) -> Endpoint | None:
        pod = self._pods.get(name)
        self.problems.pop(name, None)
        if pod is None:
            return None
        who = pod.identity
        if who.namespace != name[0] and not self._lives(who.namespace, who.color, name[0]):
            said = f"project {who.namespace} does not live in this namespace (COLORLANE_KUBERNETES_NAMESPACE)"
            self.problems[name] = f"pod {'/'.join(name)} is not in the mesh: {said}"
            return None
        slices = [self._slices[each] for each in sorted(self._slices_with.get(name, ()))]
        selecting = sorted({each.service for each in slices})
        service = pod.service or next(iter(selecting), "")
        try:
            ports = self._ports(pod, dict.fromkeys((service, *selecting)), slices)
        except ValueError as error:
            self.problems[name] = f"pod {'/'.join(name)} is not in the mesh: {error}"
            return None
        if not service or not ports:
            return None
        return Endpoint(
            id=who.endpoint_id(name[1]),
            node=REGISTRY_NODE + name[0],
            namespace=who.namespace,
            service=service,
            color=who.color,
            version=who.version,
            address=pod.address,
            ports=ports,
            outbound=PROXY_PORT,
            state=self._state(pod, slices),
            locality=self._nodes.get(pod.node, ""),
            managed=pod.managed,
        )

    def _ports(self, pod: Pod, services: Iterable[str], slices: Iterable[Slice]) -> tuple[Port, ...]:
        """The ports of these Services of a pod; where two have the same number, the first one's."""
        found: dict[int, tuple[ServicePort, int]] = {}
        for service in services:
            known = self._services.get((pod.name[0], service))
            told = {name: number for each in slices if each.service == service for name, number in each.ports}
            for port in known.ports if known else ():
                target = told.get(port.name) or _target(port, pod)
                if target:
                    found.setdefault(port.port, (port, target))
        inbound = inbound_ports(found)
        return tuple(
            Port(port.name, number, inbound[number], target, protocol(port.app_protocol, port.name, number))
            for number, (port, target) in sorted(found.items())
        )

    def _state(self, pod: Pod, slices: Iterable[Slice]) -> State:
        """A pod takes traffic while a slice says ready; one that leaves, or says itself that it is not ready, is
        believed at once, without waiting for the slices to say so too."""
        told = [(each, end) for each in slices for end in each.endpoints if end.pod == pod.name[1]]
        if pod.leaving or any(end.terminating for _, end in told):
            return State.DRAINING
        if any(end.ready and (pod.ready or self._publishes_unready(each)) for each, end in told):
            return State.READY
        return State.STARTING

    def _publishes_unready(self, each: Slice) -> bool:
        service = self._services.get((each.name[0], each.service))
        return service is not None and service.publishes_unready


def _target(port: ServicePort, pod: Pod) -> int:
    """The application's port where no slice tells it yet; 0 where the pod has none of that name."""
    return port.target if isinstance(port.target, int) else dict(pod.ports).get(port.target, 0)


def _drop(index: defaultdict[Name, set[Name]], key: Name, name: Name) -> None:
    index[key].discard(name)
    if not index[key]:
        del index[key]
