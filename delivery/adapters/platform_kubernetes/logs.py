"""The output of a workload's pods. Neighbours: api, adapter."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from delivery.adapters.platform_kubernetes.api import Api, path_of
from delivery.adapters.platform_kubernetes.refusals import Refused
from mesh.model.pods import SIDECAR_CONTAINER

Object = Mapping[str, Any]


def pod_logs(api: Api, pods: Sequence[Object], tail: int) -> Iterator[str]:
    """Yield the last lines of each container of the team's, `[<pod>] <line>`; after a crash, its last words first."""
    for pod in pods:
        containers = [each["name"] for each in pod["spec"]["containers"] if each["name"] != SIDECAR_CONTAINER]
        for container in containers:
            source = pod["metadata"]["name"] + (f"/{container}" if len(containers) > 1 else "")
            if _restarted(pod, container):
                yield from _lines(api, pod, container, tail, f"{source} before its restart", previous=True)
            yield from _lines(api, pod, container, tail, source)


def _lines(api: Api, pod: Object, container: str, tail: int, source: str, *, previous: bool = False) -> Iterator[str]:
    metadata = pod["metadata"]
    query = {"container": container, "tailLines": str(tail), "previous": str(previous).lower()}
    try:
        text = api.text(f"{path_of('Pod', metadata['namespace'], metadata['name'])}/log", query)
    except Refused as refused:
        if not previous:  # what was before a restart may be gone
            yield f"[{source}] no output: {refused.message}"
        return
    for line in text.splitlines():
        yield f"[{source}] {line}"


def _restarted(pod: Object, container: str) -> bool:
    for status in (pod.get("status") or {}).get("containerStatuses") or []:
        if status.get("name") == container:
            return bool((status.get("lastState") or {}).get("terminated"))
    return False
