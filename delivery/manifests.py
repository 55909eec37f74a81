"""Rendered manifests: told apart by service, and linted before anything is applied. Pure.

Kustomize lets through what only shows in production: a Service that selects nothing, a port name that exists nowhere.
All such problems are found at once. Neighbours: releases, adapters.render_kustomize.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from delivery.errors import Rejected
from delivery.releases import Manifest

# Kinds with pods: a Service may select them though the local platform runs Deployments only.
_POD_KINDS = frozenset({"Deployment", "StatefulSet", "DaemonSet", "ReplicaSet"})
# The order in which the objects of a service stand behind its Deployment. The last three mean something on Kubernetes
# only; the local platform ignores them.
_ORDER = (
    "Service",
    "ConfigMap",
    "Secret",
    "ServiceAccount",
    "HorizontalPodAutoscaler",
    "PodDisruptionBudget",
)
_UNDERSTOOD = frozenset({"Deployment", *_ORDER})
_HARMLESS = frozenset({"Namespace", "NetworkPolicy"})  # of the whole project, and in place before it


@dataclass(frozen=True)
class ServiceManifests:
    """The objects of each service, its Deployment first; and what is worth a word though nothing is wrong."""

    by_service: Mapping[str, tuple[Manifest, ...]]
    warnings: tuple[str, ...] = ()


def split_manifests(manifests: Sequence[Manifest], images: Mapping[str, str]) -> ServiceManifests:
    """Return the objects of the services in `images` (service -> the image its Deployment must run).

    Raises Rejected with every problem on a line of its own, each with object, field and remedy.
    """
    deployments = [item for item in manifests if _kind(item) == "Deployment"]
    problems = [*_service_problems(manifests), *_selector_problems(deployments)]
    chosen: dict[str, Manifest] = {}
    for service, image in images.items():
        own = [item for item in deployments if _name(item) == service]
        problems += _deployment_problems(service, image, own, deployments)
        if len(own) == 1:
            chosen[service] = own[0]
    if problems:
        remedy = "Correct the manifests and push again"
        raise Rejected("\n".join(problems), field="manifests", value=len(problems), remedy=remedy)
    by_service = {service: _objects_of(deployment, manifests) for service, deployment in chosen.items()}
    return ServiceManifests(by_service, tuple(_warnings(manifests, by_service)))


def _objects_of(deployment: Manifest, manifests: Sequence[Manifest]) -> tuple[Manifest, ...]:
    """Return the Deployment and what belongs to it, in a stable order.

    That is the Services that select its pods, the data it refers to, its ServiceAccount, its autoscaler and budget.
    """
    wanted = set(_references(_pod(deployment)))
    account = _pod(deployment).get("serviceAccountName")
    if isinstance(account, str):
        wanted.add(("ServiceAccount", account))
    found = [item for item in manifests if (_kind(item), _name(item)) in wanted or _attached(item, deployment)]
    return (deployment, *sorted(found, key=lambda item: (_ORDER.index(_kind(item)), _name(item))))


def _attached(item: Manifest, deployment: Manifest) -> bool:
    """Tell whether an object points at the Deployment or at its pods."""
    labels = _template_labels(deployment)
    match _kind(item):
        case "Service":
            return _selects(_selector(item), labels)
        case "PodDisruptionBudget":
            return _selects(_mapping(_selector(item), "matchLabels"), labels)
        case "HorizontalPodAutoscaler":
            target = _mapping(_spec(item), "scaleTargetRef")
            return (target.get("kind"), target.get("name")) == ("Deployment", _name(deployment))
    return False


def _deployment_problems(
    service: str, image: str, own: Sequence[Manifest], deployments: Sequence[Manifest]
) -> Iterator[str]:
    if not own:
        names = ", ".join(sorted(_name(item) for item in deployments)) or "none"
        yield f"service {service}: no Deployment is named {service} (there are: {names}). Name it like the service"
        return
    if len(own) > 1:
        yield f"service {service}: {len(own)} Deployments have its name. Keep one, in one namespace"
    for deployment in own:
        images = [str(container.get("image", "")) for container in _containers(deployment)]
        if image not in images:
            found = ", ".join(images) or "none"
            problem = f"Deployment/{service}: no container has the image `{service}` (images: {found})"
            yield f"{problem}. Write `image: {service}`"


def _selector_problems(deployments: Sequence[Manifest]) -> Iterator[str]:
    for deployment in deployments:
        selector = _mapping(_mapping(_spec(deployment), "selector"), "matchLabels")
        if not _selects(selector, _template_labels(deployment)):
            own, pods = _shown(selector), _shown(_template_labels(deployment))
            problem = f"Deployment/{_name(deployment)}: spec.selector.matchLabels ({own}) does not select its own pods"
            yield f"{problem} ({pods}). Make them equal"


def _service_problems(manifests: Sequence[Manifest]) -> Iterator[str]:
    workloads = [item for item in manifests if _kind(item) in _POD_KINDS]
    for service in manifests:
        if _kind(service) != "Service" or not _selector(service):
            continue
        name, selector = _name(service), _selector(service)
        selected = [item for item in workloads if _selects(selector, _template_labels(item))]
        if not selected:
            have = "; ".join(f"{_name(item)}: {_shown(_template_labels(item))}" for item in workloads) or "no workloads"
            yield (
                f"Service/{name}: selects nothing: spec.selector is {_shown(selector)}, pods have {have}. "
                "Make the selector equal to labels of the pod template"
            )
        elif len(selected) > 1:
            names = ", ".join(sorted(_name(item) for item in selected))
            remedy = "Leave one: Colorlane runs versions side by side itself"
            yield f"Service/{name}: selects the pods of several workloads: {names}. {remedy}"
        for workload in selected:
            yield from _port_problems(service, workload)


def _port_problems(service: Manifest, workload: Manifest) -> Iterator[str]:
    """A port name must exist; a number need not be listed by the container (Kubernetes does not ask for that)."""
    listed = [port.get("name") for container in _containers(workload) for port in _mappings(container, "ports")]
    names = sorted(str(name) for name in listed if name)
    ports = _mappings(_spec(service), "ports")
    if not ports:
        yield f"Service/{_name(service)}: spec.ports is empty. Give the port on which others call it"
    for index, port in enumerate(ports):
        place = f"Service/{_name(service)}: spec.ports[{index}]"
        if not isinstance(port.get("port"), int):
            yield f"{place}.port is missing or not a number. Give the port on which others call it"
        target = port.get("targetPort")
        if isinstance(target, str) and not target.isdecimal() and target not in names:
            known = ", ".join(names) or "none"
            yield f"{place}.targetPort: {target} is no port of {_name(workload)} (ports: {known}). Use one of its names"


def _warnings(manifests: Sequence[Manifest], by_service: Mapping[str, tuple[Manifest, ...]]) -> Iterator[str]:
    present = {(_kind(item), _name(item)) for item in manifests}
    for item in manifests:
        kind = _kind(item)
        if kind not in _UNDERSTOOD and kind not in _HARMLESS:
            yield f"{kind}/{_name(item)}: belongs to no service, so Colorlane does not deploy it"
        elif kind == "Service" and not _selector(item):
            yield f"Service/{_name(item)}: has no selector, so no service of this repository answers it"
    for service, objects in by_service.items():
        if not any(_kind(item) == "Service" for item in objects):
            yield f"Deployment/{service}: no Service selects it, so others cannot call it by name"
        for kind, name in sorted(set(_references(_pod(objects[0]))) - present):
            yield f"Deployment/{service}: refers to {kind} {name}, which is not among the manifests"


def _references(pod: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield the ConfigMaps and Secrets a pod needs, by (kind, name)."""
    for container in (*_mappings(pod, "containers"), *_mappings(pod, "initContainers")):
        for source in _mappings(container, "envFrom"):
            yield from _named(source, {"configMapRef": "ConfigMap", "secretRef": "Secret"})
        for variable in _mappings(container, "env"):
            origin = _mapping(variable, "valueFrom")
            yield from _named(origin, {"configMapKeyRef": "ConfigMap", "secretKeyRef": "Secret"})
    for volume in _mappings(pod, "volumes"):
        for source in (volume, *_mappings(_mapping(volume, "projected"), "sources")):
            yield from _named(source, {"configMap": "ConfigMap", "secret": "Secret"})


def _named(source: Mapping[str, Any], kinds: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    for key, kind in kinds.items():
        reference = _mapping(source, key)
        name = reference.get("name") or reference.get("secretName")
        if isinstance(name, str):
            yield kind, name


def _selects(selector: Mapping[str, Any], labels: Mapping[str, Any]) -> bool:
    return bool(selector) and all(labels.get(key) == value for key, value in selector.items())


def _kind(item: Manifest) -> str:
    return str(item.get("kind", ""))


def _name(item: Manifest) -> str:
    return str(_mapping(item, "metadata").get("name", ""))


def _spec(item: Manifest) -> Mapping[str, Any]:
    return _mapping(item, "spec")


def _selector(service: Manifest) -> Mapping[str, Any]:
    return _mapping(_spec(service), "selector")


def _template_labels(workload: Manifest) -> Mapping[str, Any]:
    return _mapping(_mapping(_mapping(_spec(workload), "template"), "metadata"), "labels")


def _pod(workload: Manifest) -> Mapping[str, Any]:
    return _mapping(_mapping(_spec(workload), "template"), "spec")


def _containers(workload: Manifest) -> list[Mapping[str, Any]]:
    return _mappings(_pod(workload), "containers")


def _mapping(parent: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    """Return the mapping at `key`, an empty one for anything else: manifests come from people."""
    value = parent.get(key)
    return value if isinstance(value, Mapping) else {}


def _mappings(parent: Mapping[str, Any], key: str) -> list[Mapping[str, Any]]:
    value = parent.get(key)
    return [item for item in value if isinstance(item, Mapping)] if isinstance(value, list) else []


def _shown(labels: Mapping[str, Any]) -> str:
    return ", ".join(f"{key}={value}" for key, value in _sorted(labels.items())) or "nothing"


def _sorted(items: Iterable[tuple[str, Any]]) -> list[tuple[str, Any]]:
    return sorted(items, key=lambda pair: str(pair[0]))
