"""A pod with its sidecar: capture first, then the sidecar, then whatever the team starts. Pure.

The order is what makes init containers of teams work: once packets are captured nothing reaches the network without
the sidecar, and once the sidecar is up everything does. Neighbours: containers, applications, decision.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mesh.errors import Rejected
from mesh.injection.applications import drain_seconds, with_drain, with_proxy
from mesh.injection.containers import OWN_CONTAINERS, OWN_VOLUMES, capture_container, proxy_container, volumes
from mesh.injection.options import Json, Mode, Options
from mesh.model.pods import CAPTURE, PROXY_UID, STATUS, pod_identity
from mesh.sidecar import POD_NAMESPACE


def inject(pod: Json, options: Options) -> dict[str, Any]:
    """Return a pod, or a pod template, with its sidecar; what it has of ours already is made anew.

    Raises Rejected where its annotations are not usable or its containers cannot live with a sidecar.
    """
    metadata, spec = pod.get("metadata") or {}, pod.get("spec") or {}
    own = options.of(metadata.get("annotations") or {})
    _check(spec, own)
    identity = pod_identity(POD_NAMESPACE, metadata.get("labels") or {})
    capture = [capture_container(own)] if own.mode is Mode.TRANSPARENT else []
    annotations = {**(metadata.get("annotations") or {}), STATUS: "injected"}
    inits = [with_proxy(each, own) for each in _others(spec.get("initContainers"), OWN_CONTAINERS)]
    seconds = drain_seconds(spec, own)
    return {
        **pod,
        "metadata": {**metadata, "annotations": annotations},
        "spec": {
            **spec,
            "initContainers": [*capture, proxy_container(identity, own), *inits],
            "containers": [with_drain(with_proxy(each, own), seconds) for each in spec.get("containers") or []],
            "volumes": [*_others(spec.get("volumes"), OWN_VOLUMES), *volumes()],
            **_pull_secrets(spec, own),
        },
    }


def _others(items: Sequence[Json] | None, own: Sequence[str]) -> list[Json]:
    return [each for each in items or [] if each.get("name") not in own]


def _pull_secrets(spec: Json, options: Options) -> dict[str, Any]:
    secrets = spec.get("imagePullSecrets") or []
    if not options.pull_secret or {"name": options.pull_secret} in secrets:
        return {}
    return {"imagePullSecrets": [*secrets, {"name": options.pull_secret}]}


def _check(spec: Json, options: Options) -> None:
    for container in spec.get("containers") or []:
        if container.get("name") in OWN_CONTAINERS:
            raise Rejected(
                f"a container is named {container['name']!r}, which is the sidecar's name",
                field="spec.containers[].name",
                value=container["name"],
                remedy="give it another name",
            )
    if options.mode is not Mode.TRANSPARENT:
        return
    pod_user = (spec.get("securityContext") or {}).get("runAsUser")
    for container in [*(spec.get("containers") or []), *_others(spec.get("initContainers"), OWN_CONTAINERS)]:
        user = (container.get("securityContext") or {}).get("runAsUser", pod_user)
        if user == PROXY_UID:
            raise Rejected(
                f"container {container.get('name')!r} runs as user {PROXY_UID}, which is the sidecar's: what it sends"
                " would not be captured",
                field="spec.containers[].securityContext.runAsUser",
                value=user,
                remedy=f"run it as another user, or set {CAPTURE}: {Mode.PROXY}",
            )
