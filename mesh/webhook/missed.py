"""Pods that should have a sidecar and have none: made while nobody answered (`Ignore`), or before they were asked for.

Looked for after the start, which is when there may be some, and each hour; by plain lists, so that it costs nothing in
between. Neighbours: configuration (why some are let through), mesh.injection (which pods are ours).
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterable, Mapping
from typing import Any

import structlog

from mesh.apiserver import ApiServer
from mesh.errors import MeshError, NotFound
from mesh.injection import Options, judge
from mesh.injection.decision import CLUSTER_NAMESPACES, REVISION
from mesh.model.pods import INJECT, SIDECAR_CONTAINER

EVERY_SECONDS = 3600.0
PAGE = 500
SHOWN = 10
_ENDED = ("Succeeded", "Failed")

log = structlog.get_logger("mesh.webhook")


def missed(pods: Iterable[Mapping[str, Any]], namespace: Mapping[str, Any], options: Options) -> list[str]:
    """Return `namespace/name` of the pods that this mesh would inject today and that run without. Pure."""
    name, labels = namespace["metadata"]["name"], namespace["metadata"].get("labels") or {}
    wanted = labels.get(INJECT) == "enabled"
    found = []
    for pod in pods:
        own = pod["metadata"].get("labels") or {}
        asked = own.get(INJECT) == "true" or wanted
        mine = own.get(REVISION, labels.get(REVISION, "")) == options.revision
        ended = (pod.get("status") or {}).get("phase") in _ENDED or "deletionTimestamp" in pod["metadata"]
        if asked and mine and not ended and not _has_sidecar(pod) and judge(pod, name, options).inject:
            found.append(f"{name}/{pod['metadata']['name']}")
    return found


def _has_sidecar(pod: Mapping[str, Any]) -> bool:
    spec = pod.get("spec") or {}
    containers = [*(spec.get("initContainers") or ()), *(spec.get("containers") or ())]
    return any(container.get("name") == SIDECAR_CONTAINER for container in containers)


class Patrol:
    """`pods` are those that were missed when it looked last."""

    def __init__(self, api: ApiServer, options: Options, *, only_namespaces: Iterable[str] = ()) -> None:
        self._api = api
        self._options = options
        self._only = frozenset(only_namespaces)
        self.pods: list[str] = []

    async def keep(self, *, every: float = EVERY_SECONDS) -> None:
        """Run for ever: look, say what was found, rest `every` seconds."""
        while True:
            try:
                await self.look()
            except MeshError as error:
                log.warning("could not look for pods without their sidecar", reason=str(error))
            await asyncio.sleep(every)

    async def look(self) -> list[str]:
        """List what should have a sidecar; return those without. Raises as ApiServer does."""
        spared = {*CLUSTER_NAMESPACES, self._options.own_namespace}
        found: list[str] = []
        for namespace in await self._namespaces():
            name = namespace["metadata"]["name"]
            if name in spared:
                continue
            enabled = (namespace["metadata"].get("labels") or {}).get(INJECT) == "enabled"
            selector = {} if enabled else {"labelSelector": f"{INJECT}=true"}
            async for page in self._pages(f"/api/v1/namespaces/{name}/pods", selector):
                found += missed(page, namespace, self._options)
        self.pods = found
        if found:
            remedy = "kubectl rollout restart their workloads"
            log.warning("pods run without their sidecar", count=len(found), pods=found[:SHOWN], remedy=remedy)
        return found

    async def _namespaces(self) -> list[Mapping[str, Any]]:
        """All, or one by one those that were named: then no right over all is needed."""
        if not self._only:
            return list((await self._api.get("/api/v1/namespaces"))["items"])
        found: list[Mapping[str, Any]] = []
        for name in sorted(self._only):
            with contextlib.suppress(NotFound):
                found.append(await self._api.get(f"/api/v1/namespaces/{name}"))
        return found

    async def _pages(self, path: str, query: Mapping[str, str]) -> AsyncIterator[list[Mapping[str, Any]]]:
        following = ""
        while True:
            more = {"continue": following} if following else {}
            listed = await self._api.get(path, {**query, "limit": PAGE, **more})
            yield listed["items"]
            following = (listed.get("metadata") or {}).get("continue", "")
            if not following:
                return
