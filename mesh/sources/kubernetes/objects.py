"""Objects: what is kept of Services, EndpointSlices, Pods and Nodes. Pure; trimmed on arrival, so that 5000 pods are
a few megabytes, and so that a heartbeat of a kubelet is no change.

Field meanings: https://kubernetes.io/docs/reference/kubernetes-api/ (core/v1, discovery.k8s.io/v1).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from sys import intern
from typing import Any, Final

from mesh.model.pods import COLOR, PROJECT, SERVICE, SIDECAR_CONTAINER, STATUS, PodIdentity, pod_identity

Json = Mapping[str, Any]
Name = tuple[str, str]
"""Kubernetes namespace ("" for nodes) and name."""

SLICE_SERVICE: Final = "kubernetes.io/service-name"
ZONE: Final = "topology.kubernetes.io/zone"
REGION: Final = "topology.kubernetes.io/region"
INJECTED: Final = "injected"


@dataclass(frozen=True, slots=True)
class ServicePort:
    """`target` is a number, or the name of a container's port."""

    name: str
    port: int
    target: int | str
    app_protocol: str


@dataclass(frozen=True, slots=True)
class Service:
    """`namespace`: the mesh's, as its label says, and `color` that of its label.

    `publishes_unready`: its pods count as ready whatever they say.
    """

    name: Name
    namespace: str
    ports: tuple[ServicePort, ...]
    publishes_unready: bool
    color: str = ""


@dataclass(frozen=True, slots=True)
class SliceEndpoint:
    """A pod as one slice tells it."""

    pod: str
    ready: bool
    serving: bool
    terminating: bool


@dataclass(frozen=True, slots=True)
class Slice:
    """Part of the endpoints of `service`; `ports` is name -> number, the same for all of them."""

    name: Name
    service: str
    ports: tuple[tuple[str, int], ...]
    endpoints: tuple[SliceEndpoint, ...]


@dataclass(frozen=True, slots=True)
class Pod:
    """`service` is our label, "" where it is not there; `ports` are the containers' named ones."""

    name: Name
    identity: PodIdentity
    service: str
    managed: bool
    address: str
    node: str
    ready: bool
    leaving: bool
    ports: tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class Node:
    """`locality` is `<region>/<zone>`, or what there is of it."""

    name: Name
    locality: str


@dataclass(frozen=True, slots=True)
class Thing:
    """A configuration object: there are few of these, so it is kept as it is, but for what says who wrote it."""

    name: Name
    item: Json


Record = Service | Slice | Pod | Node | Thing


def read_service(item: Json) -> Service | None:
    """Return what is kept of a Service; None for one that has no pods (ExternalName)."""
    spec = item.get("spec") or {}
    if spec.get("type") == "ExternalName":
        return None
    ports = tuple(_service_port(port) for port in spec.get("ports") or () if port.get("protocol", "TCP") == "TCP")
    labels, name = _labels(item), _name(item)
    namespace, color = intern(labels.get(PROJECT) or name[0]), intern(labels.get(COLOR, ""))
    return Service(name, namespace, ports, bool(spec.get("publishNotReadyAddresses")), color)


def read_slice(item: Json) -> Slice | None:
    """Return what is kept of an EndpointSlice; None for one that no Service owns, or that has names for addresses."""
    service = _labels(item).get(SLICE_SERVICE)
    if not service or item.get("addressType") == "FQDN":
        return None
    ports = {
        intern(port.get("name") or ""): int(port["port"])
        for port in item.get("ports") or ()
        if port.get("port") and port.get("protocol", "TCP") == "TCP"
    }
    endpoints = tuple(_endpoints(item.get("endpoints") or ()))
    return Slice(_name(item), intern(service), tuple(sorted(ports.items())), endpoints)


def read_pod(item: Json) -> Pod | None:
    """Return what is kept of a Pod; None for one outside of the mesh: without sidecar or address, or at its end."""
    status = item.get("status") or {}
    if not _has_sidecar(item) or not status.get("podIP") or status.get("phase") in ("Succeeded", "Failed"):
        return None
    labels, name = _labels(item), _name(item)
    identity = pod_identity(name[0], labels)
    conditions = {each.get("type"): each.get("status") for each in status.get("conditions") or ()}
    return Pod(
        name=name,
        identity=PodIdentity(*map(intern, (identity.namespace, identity.service, identity.color, identity.version))),
        service=intern(labels.get(SERVICE, "")),
        managed=PROJECT in labels,
        address=str(status["podIP"]),
        node=intern((item.get("spec") or {}).get("nodeName") or ""),
        ready=conditions.get("Ready") == "True",
        leaving="deletionTimestamp" in item["metadata"],
        ports=tuple(_named_ports(item)),
    )


def read_node(item: Json) -> Node | None:
    """Return what is kept of a Node."""
    labels = _labels(item)
    return Node(_name(item), "/".join(part for part in (labels.get(REGION), labels.get(ZONE)) if part))


def read_thing(item: Json) -> Thing | None:
    """Return what is kept of a configuration object: its identity, spec and status."""
    kept = ("name", "namespace", "generation", "creationTimestamp")
    metadata = {key: item["metadata"][key] for key in kept if key in item["metadata"]}
    return Thing(_name(item), {"metadata": metadata, "spec": item.get("spec") or {}, "status": item.get("status")})


@dataclass(frozen=True)
class Kind:
    """A kind that is watched. `read`: its object, trimmed; None where it does not concern the mesh."""

    plural: str
    root: str
    read: Callable[[Json], Record | None]
    namespaced: bool = True

    def path(self, namespace: str = "") -> str:
        """Path of the collection, in one namespace or in all."""
        return f"{self.root}/namespaces/{namespace}/{self.plural}" if namespace else f"{self.root}/{self.plural}"


SERVICES: Final = Kind("services", "/api/v1", read_service)
SLICES: Final = Kind("endpointslices", "/apis/discovery.k8s.io/v1", read_slice)
PODS: Final = Kind("pods", "/api/v1", read_pod)
NODES: Final = Kind("nodes", "/api/v1", read_node, namespaced=False)
GATEWAY_API: Final = "/apis/gateway.networking.k8s.io/v1"
CLASSES: Final = Kind("gatewayclasses", GATEWAY_API, read_thing, namespaced=False)
GATEWAYS: Final = Kind("gateways", GATEWAY_API, read_thing)
ROUTES: Final = Kind("httproutes", GATEWAY_API, read_thing)


def _name(item: Json) -> Name:
    metadata = item["metadata"]
    return intern(metadata.get("namespace") or ""), str(metadata["name"])


def _labels(item: Json) -> Mapping[str, str]:
    return item["metadata"].get("labels") or {}


def _service_port(port: Json) -> ServicePort:
    number = int(port["port"])
    target = port.get("targetPort") or number
    return ServicePort(intern(port.get("name") or ""), number, target, intern(port.get("appProtocol") or ""))


def _endpoints(items: Iterable[Json]) -> Iterable[SliceEndpoint]:
    """The pods among the endpoints. Conditions that are not told: ready is true, serving is as ready.

    The API server does not look at what `targetRef` says, so a slice that anybody made may name none.
    """
    for item in items:
        target, conditions = item.get("targetRef") or {}, item.get("conditions") or {}
        if target.get("kind") == "Pod" and target.get("name"):
            ready = conditions.get("ready") is not False
            serving = conditions.get("serving")
            yield SliceEndpoint(
                str(target["name"]), ready, ready if serving is None else serving, bool(conditions.get("terminating"))
            )


def _has_sidecar(item: Json) -> bool:
    if (item["metadata"].get("annotations") or {}).get(STATUS) == INJECTED:
        return True
    return any(container.get("name") == SIDECAR_CONTAINER for container in _containers(item))


def _containers(item: Json) -> Iterable[Json]:
    spec = item.get("spec") or {}
    yield from spec.get("containers") or ()
    yield from spec.get("initContainers") or ()  # native sidecars stand among these


def _named_ports(item: Json) -> Iterable[tuple[str, int]]:
    for container in _containers(item):
        for port in container.get("ports") or ():
            if port.get("name") and container.get("name") != SIDECAR_CONTAINER:
                yield intern(str(port["name"])), int(port["containerPort"])
