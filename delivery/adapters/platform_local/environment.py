"""Environment variables of a container: from `env`, `envFrom` and what the platform itself gives. Pure.

Neighbours: podspec (reads at apply time), expansion. Order as in Kubernetes: envFrom, then env, later ones win.
"""

from __future__ import annotations

from collections.abc import Mapping

from delivery.adapters.platform_local.manifests import Objects
from delivery.adapters.platform_local.plan import PodPlan, ReplicaPorts, Variable
from delivery.adapters.platform_local.reading import Fields

FIELD_PATHS = ("metadata.name", "metadata.namespace", "metadata.uid", "spec.nodeName", "status.podIP", "status.hostIP")
KEYED = ("metadata.labels", "metadata.annotations")
# Given by the platform, whatever the manifest says: they depend on ports of this machine.
RESERVED = frozenset({"PORT", "http_proxy", "HTTP_PROXY", "no_proxy", "NO_PROXY", "NODE_USE_ENV_PROXY"})


def read_variables(container: Fields, objects: Objects) -> tuple[Variable, ...]:
    """Return the variables in the order in which they are set. Raises Rejected for sources that do not exist."""
    variables = []
    for source in container.children("envFrom"):
        variables += _from_object(source, objects)
    for entry in container.children("env"):
        variable = _one(entry, objects)
        if variable is not None:
            variables.append(variable)
    return tuple(variables)


def platform_environment(plan: PodPlan, ports: ReplicaPorts, pod: str) -> dict[str, str]:
    """Return what every application gets: its ports, its name, and its sidecar as HTTP proxy for calls to others."""
    proxy = f"http://127.0.0.1:{ports.outbound}"
    nobody = "127.0.0.1,localhost,::1"  # calls to itself and to the machine do not go through the mesh
    given = {
        "POD_NAME": pod,
        "HOSTNAME": pod,
        **dict.fromkeys(("http_proxy", "HTTP_PROXY"), proxy),
        **dict.fromkeys(("no_proxy", "NO_PROXY"), nobody),
        "NODE_USE_ENV_PROXY": "1",
    }
    for index, port in enumerate(plan.container_ports):
        if index == 0:
            given["PORT"] = str(ports.targets[port.number])
        given[f"PORT_{_shout(port.name or str(port.number))}"] = str(ports.targets[port.number])
    return given


def _from_object(source: Fields, objects: Objects) -> list[Variable]:
    source.known(frozenset({"configMapRef", "secretRef", "prefix"}), frozenset(), "use configMapRef or secretRef")
    kind = "secretRef" if source.has("secretRef") else "configMapRef"
    reference = source.child(kind)
    data = _data(reference, objects.secrets if kind == "secretRef" else objects.config)
    prefix = source.text("prefix")
    # Values from objects are not expanded in Kubernetes; doubling the dollar keeps ours from being.
    return [Variable(prefix + key, _literal(value)) for key, value in sorted((data or {}).items())]


def _one(entry: Fields, objects: Objects) -> Variable | None:
    name = entry.text("name")
    if not name:
        entry.refuse("name", "a variable needs a name", "write `- name: NAME`")
    if not entry.has("valueFrom"):
        return Variable(name, entry.text("value"))
    source = entry.child("valueFrom")
    source.known(
        frozenset({"configMapKeyRef", "secretKeyRef", "fieldRef"}), frozenset(),
        "use value, configMapKeyRef, secretKeyRef or fieldRef",
    )  # fmt: skip
    if source.has("fieldRef"):
        return Variable(name, source=_field_path(source.child("fieldRef")))
    kind = "secretKeyRef" if source.has("secretKeyRef") else "configMapKeyRef"
    reference = source.child(kind)
    data = _data(reference, objects.secrets if kind == "secretKeyRef" else objects.config)
    key = reference.text("key")
    if data is None or key not in data:
        if reference.body.get("optional") is True:
            return None
        keys = ", ".join(sorted(data or {})) or "none"
        reference.refuse("key", f"there is no key {key!r} (keys: {keys})", "add the key, or set optional: true")
    return Variable(name, _literal(data[key]))


def _data(reference: Fields, objects: Mapping[str, Mapping[str, str]]) -> Mapping[str, str] | None:
    name = reference.text("name")
    if name in objects:
        return objects[name]
    if reference.body.get("optional") is True:
        return None
    names = ", ".join(sorted(objects)) or "none"
    reference.refuse(
        "name", f"there is no such object among the rendered manifests (there are: {names})",
        "add it to the kustomization, or set optional: true",
    )  # fmt: skip


def _field_path(reference: Fields) -> str:
    path = reference.text("fieldPath")
    if path in FIELD_PATHS or any(path.startswith(f"{key}['") and path.endswith("']") for key in KEYED):
        return path
    allowed = ", ".join((*FIELD_PATHS, "metadata.labels['<key>']", "metadata.annotations['<key>']"))
    reference.refuse("fieldPath", f"{path!r} is not known to the local platform", f"use one of {allowed}")


def _literal(text: str) -> str:
    return text.replace("$", "$$")


def _shout(name: str) -> str:
    return "".join(c if c.isalnum() else "_" for c in name).upper()
