"""A workload's manifests to the objects of a cluster. Pure; neighbours: names, references, applying (carries them out).

A team's files stay as they are for `kubectl apply -k`. What changes is what two versions side by side would fight over:
names and selectors. docs/kubernetes-platform.md says it for users; docs/decisions/0014-workload.md says why.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from delivery.adapters.platform_kubernetes.layout import Layout
from delivery.adapters.platform_kubernetes.names import (
    MANAGED_BY,
    MANAGER,
    MIN_REPLICAS,
    has_own_namespace,
    identity,
    lane_labels,
    namespace_of,
    object_name,
    workload_name,
)
from delivery.adapters.platform_kubernetes.references import Renames, renamed
from delivery.errors import Rejected
from delivery.releases import Manifest
from delivery.workloads import WorkloadKey, WorkloadSpec
from mesh.model.pods import GENERATION, GROUP, INJECT, PROJECT

Object = dict[str, Any]

ARTIFACT = f"{GROUP}/artifact"  # annotation: the digest that runs
PORTS = f"{GROUP}/ports"  # annotation of a workload's own Service: the ports of the team's Services, JSON
PLACEHOLDER = "colorlane.local"  # registry of rendered manifests: names an artifact, no host
OWNED = ("ConfigMap", "Secret", "HorizontalPodAutoscaler", "PodDisruptionBudget")
LISTED = (
    "Service",
    "ConfigMap",
    "HorizontalPodAutoscaler",
    "PodDisruptionBudget",
)  # who may list Secrets reads them all
_WITHIN = frozenset({"selector", "ports", "sessionAffinity", "sessionAffinityConfig", "publishNotReadyAddresses"})
DEFAULT_MIN_REPLICAS = 1  # of autoscalers


@dataclass(frozen=True)
class Plan:
    """All objects of one workload. `owned` ones live and die with the Deployment; `shared` ones with the lane.

    `shared` are the Services that everybody calls (selectors narrowed to this version) and ServiceAccounts.
    """

    key: WorkloadKey
    generation: int
    namespace: str
    deployment: Object
    owned: tuple[Object, ...]
    shared: tuple[Object, ...]
    namespace_is_own: bool = False

    @property
    def name(self) -> str:
        """The Deployment's name."""
        return str(self.deployment["metadata"]["name"])


def plan_workload(spec: WorkloadSpec, layout: Layout) -> Plan:
    """Return the objects of a workload. Raises Rejected for manifests without one Deployment."""
    deployment = _only_deployment(spec.manifests)
    by_kind = _by_kind(spec.manifests)
    namespace = namespace_of(spec.key, layout)
    renames = {
        (str(item["kind"]), _name(item)): object_name(_name(item), spec.key)
        for kind in OWNED
        for item in by_kind.get(kind, ())
    }
    scaled = bool(by_kind.get("HorizontalPodAutoscaler"))
    services = by_kind.get("Service", [])
    owned = [
        _own(item, spec, namespace, renames[str(item["kind"]), _name(item)])
        for kind in OWNED
        for item in by_kind.get(kind, ())
    ]
    headless = _headless(services, spec.key, namespace)
    keeps_services = not spec.key.color or has_own_namespace(spec.key, layout)
    shared = [_stable(item, spec.key, namespace) for item in services] if keeps_services else []
    accounts = [_account(item, spec.key, namespace) for item in by_kind.get("ServiceAccount", ())]
    return Plan(
        spec.key,
        spec.generation,
        namespace,
        _deployment(deployment, spec, layout, renames, scaled),
        (*([headless] if headless else []), *owned),
        (*shared, *accounts),
        has_own_namespace(spec.key, layout),
    )


def _deployment(source: Manifest, spec: WorkloadSpec, layout: Layout, renames: Renames, scaled: bool) -> Object:
    item = _clean(source)
    labels = identity(spec.key)
    metadata = item["metadata"]
    metadata.update(name=workload_name(spec.key), namespace=namespace_of(spec.key, layout))
    metadata["labels"] = {**(metadata.get("labels") or {}), **labels, MANAGED_BY: MANAGER}
    marks = {GENERATION: str(spec.generation), ARTIFACT: spec.artifact}
    metadata["annotations"] = {**(metadata.get("annotations") or {}), **marks}
    body = item["spec"]
    body.pop("paused", None)  # ours while its ConfigMaps are not there yet
    chosen = body.get("selector") or {}
    body["selector"] = {**chosen, "matchLabels": {**(chosen.get("matchLabels") or {}), **labels}}
    body["template"] = _template(body.get("template") or {}, labels, spec.key, layout, renames)
    _set_replicas(body, spec.replicas, scaled)
    return item


def _set_replicas(body: Object, override: int | None, scaled: bool) -> None:
    """With an autoscaler the number is its own, but for 0, which makes it rest."""
    if override is not None and (override == 0 or not scaled):
        body["replicas"] = override
    elif scaled:
        body.pop("replicas", None)


def _template(
    template: Manifest, labels: Mapping[str, str], key: WorkloadKey, layout: Layout, renames: Renames
) -> Object:
    metadata = dict(template.get("metadata") or {})
    own = metadata.get("labels") or {}
    metadata["labels"] = {INJECT: "true", **own, **labels}
    pod = renamed(template.get("spec") or {}, renames)
    for kind in ("containers", "initContainers"):
        if isinstance(pod.get(kind), list):
            pod[kind] = [_with_image(each, key, layout.repository) for each in pod[kind]]
    if layout.pull_secret:
        others = [each for each in pod.get("imagePullSecrets") or [] if each.get("name") != layout.pull_secret]
        pod["imagePullSecrets"] = [*others, {"name": layout.pull_secret}]
    return {**template, "metadata": metadata, "spec": pod}


def _with_image(container: Object, key: WorkloadKey, repository: str) -> Object:
    image = str(container.get("image", ""))
    prefix = f"{PLACEHOLDER}/{key.project}/"
    if not repository or not image.startswith(prefix):
        return container
    return {**container, "image": f"{repository.rstrip('/')}/{key.project}/{image.removeprefix(prefix)}"}


def _own(source: Manifest, spec: WorkloadSpec, namespace: str, name: str) -> Object:
    """Return an object of the release under the name that it has for this workload alone."""
    item = _clean(source)
    _label(item, namespace, name, identity(spec.key))
    adapt = _ADAPTED.get(str(item["kind"]))
    if adapt is not None:
        adapt(item, spec)
    return item


def _budget(item: Object, spec: WorkloadSpec) -> None:
    chosen = item["spec"].get("selector") or {}
    item["spec"]["selector"] = {**chosen, "matchLabels": {**(chosen.get("matchLabels") or {}), **identity(spec.key)}}


def _autoscaler(item: Object, spec: WorkloadSpec) -> None:
    body = item["spec"]
    body["scaleTargetRef"] = {**(body.get("scaleTargetRef") or {}), "name": workload_name(spec.key)}
    if spec.replicas:
        body["minReplicas"] = max(int(body.get("minReplicas", DEFAULT_MIN_REPLICAS)), spec.replicas)
        body["maxReplicas"] = max(int(body.get("maxReplicas", spec.replicas)), spec.replicas)
    wanted = str(body.setdefault("minReplicas", DEFAULT_MIN_REPLICAS))
    item["metadata"]["annotations"] = {**(item["metadata"].get("annotations") or {}), MIN_REPLICAS: wanted}


_ADAPTED: Mapping[str, Callable[[Object, WorkloadSpec], None]] = {
    "PodDisruptionBudget": _budget,
    "HorizontalPodAutoscaler": _autoscaler,
}


def _headless(services: Sequence[Manifest], key: WorkloadKey, namespace: str) -> Object | None:
    """Return the Service through which this workload's pods get EndpointSlices, with every port others call."""
    ports: dict[int, Object] = {}
    for service in services:
        for port in (service.get("spec") or {}).get("ports") or []:
            ports.setdefault(int(port["port"]), _inner(port))
    if not ports:
        return None
    if len(ports) > 1:
        ports = {number: {"name": f"port-{number}", **port} for number, port in ports.items()}
    item: Object = {"apiVersion": "v1", "kind": "Service", "metadata": {}}
    _label(item, namespace, workload_name(key), identity(key))
    by_service = {_name(service): (service.get("spec") or {}).get("ports") or [] for service in services}
    item["metadata"]["annotations"] = {PORTS: json.dumps(by_service, sort_keys=True)}
    item["spec"] = {"clusterIP": "None", "selector": identity(key), "ports": [ports[each] for each in sorted(ports)]}
    return item


def service_ports(headless: Manifest) -> dict[str, list[Object]]:
    """Return the ports that each of the team's Services has in a workload's version."""
    text = (headless["metadata"].get("annotations") or {}).get(PORTS, "{}")
    found: dict[str, list[Object]] = json.loads(text)
    return found


def _stable(source: Manifest, key: WorkloadKey, namespace: str) -> Object:
    """Return a Service that callers outside of the mesh use, with this version behind it."""
    item = _clean(source)
    _label(item, namespace, _name(source), lane_labels(key))
    item["spec"]["selector"] = {**(item["spec"].get("selector") or {}), **identity(key)}
    if key.color:
        # Ports of nodes and load balancers are taken by the baseline, and cost money.
        item["spec"] = {name: value for name, value in item["spec"].items() if name in _WITHIN}
        item["spec"]["ports"] = [_inner(port) for port in item["spec"].get("ports") or []]
    return item


def _inner(port: Mapping[str, Any]) -> Object:
    return {name: value for name, value in port.items() if name != "nodePort"}


def _account(source: Manifest, key: WorkloadKey, namespace: str) -> Object:
    """Return a ServiceAccount under its own name: roles and clouds are bound to that, and services share it."""
    item = _clean(source)
    _label(item, namespace, _name(source), {PROJECT: key.project})
    return item


def _label(item: Object, namespace: str, name: str, labels: Mapping[str, str]) -> None:
    metadata = item["metadata"]
    own = metadata.get("labels") or {}
    metadata.update(name=name, namespace=namespace, labels={**own, **labels, MANAGED_BY: MANAGER})


def _clean(source: Manifest) -> Object:
    """Return a copy without what only a server writes."""
    item = copy.deepcopy(dict(source))
    item.pop("status", None)
    metadata = item.setdefault("metadata", {})
    for field in ("resourceVersion", "uid", "generation", "creationTimestamp", "managedFields", "ownerReferences"):
        metadata.pop(field, None)
    if item.get("kind") not in ("ConfigMap", "Secret", "ServiceAccount"):
        item.setdefault("spec", {})
    return item


def _only_deployment(manifests: Sequence[Manifest]) -> Manifest:
    found = [item for item in manifests if item.get("kind") == "Deployment"]
    if len(found) != 1:
        raise Rejected(
            f"a workload needs exactly one Deployment, these manifests have {len(found)}",
            field="manifests",
            value=len(found),
            remedy="write one Deployment named like the service",
        )
    return found[0]


def _by_kind(manifests: Sequence[Manifest]) -> dict[str, list[Manifest]]:
    found: dict[str, list[Manifest]] = {}
    for item in manifests:
        found.setdefault(str(item.get("kind", "")), []).append(item)
    return found


def _name(item: Manifest) -> str:
    return str((item.get("metadata") or {}).get("name", ""))
