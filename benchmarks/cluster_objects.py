"""A large cluster for benchmarks: Services, EndpointSlices and Pods written straight to an API server without
controllers, as these would have written them; loading through them takes minutes on a small machine."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Iterable
from dataclasses import dataclass
from typing import Any

import httpx

AT_ONCE = 24
PATCH = {"content-type": "application/merge-patch+json"}
Item = dict[str, Any]


@dataclass(frozen=True)
class Shape:
    """How large: `services` and `pods` in all, spread evenly over the namespaces."""

    namespaces: int
    services: int
    pods: int

    def places(self) -> Iterable[tuple[str, str, list[str]]]:
        """Yield namespace, Service and names of its pods."""
        each = self.pods // self.services
        for number in range(self.services):
            name = f"service-{number:04}"
            yield f"load-{number % self.namespaces:02}", name, [f"{name}-v1-{pod}" for pod in range(each)]


def address(service: str, pod: str) -> str:
    """Return an address that no other pod has."""
    number = int(service[-4:]) * 64 + int(pod.rpartition("-")[2])
    return f"10.{number // 65536 + 1}.{number // 256 % 256}.{number % 256}"


def slice_of(namespace: str, service: str, pods: list[str], *, unready: str = "") -> Item:
    """Return the EndpointSlice of a Service; one of its pods may be not ready."""
    endpoints = [
        {
            "addresses": [address(service, pod)],
            "conditions": {"ready": pod != unready, "serving": pod != unready, "terminating": False},
            "targetRef": {"kind": "Pod", "name": pod, "namespace": namespace},
            "nodeName": "node-0",
        }
        for pod in pods
    ]
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {"name": f"{service}-slice", "labels": {"kubernetes.io/service-name": service}},
        "addressType": "IPv4",
        "ports": [{"name": "http", "port": 8080, "protocol": "TCP"}],
        "endpoints": endpoints,
    }


class Loader:
    """Writes objects, some requests at a time."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self.client = client
        self._places = asyncio.Semaphore(AT_ONCE)

    async def load(self, shape: Shape) -> None:
        """Make everything."""
        node = {"metadata": {"name": "node-0", "labels": {"topology.kubernetes.io/zone": "zone-a"}}}
        await self._post("/api/v1/nodes", node)
        for number in range(shape.namespaces):
            name = f"load-{number:02}"
            await self._post("/api/v1/namespaces", {"metadata": {"name": name}})
            await self._post(f"/api/v1/namespaces/{name}/serviceaccounts", {"metadata": {"name": "default"}})
        work: list[Awaitable[None]] = []
        for namespace, service, pods in shape.places():
            work.append(self._service(namespace, service))
            work.append(
                self._post(
                    f"/apis/discovery.k8s.io/v1/namespaces/{namespace}/endpointslices",
                    slice_of(namespace, service, pods),
                )
            )
            work += [self._pod(namespace, service, pod) for pod in pods]
        await asyncio.gather(*work)

    async def patch(self, path: str, body: Item) -> None:
        """Change an object."""
        answer = await self.client.patch(path, json=body, headers=PATCH)
        answer.raise_for_status()

    async def _service(self, namespace: str, name: str) -> None:
        spec = {"clusterIP": "None", "ports": [{"name": "http", "port": 9080, "targetPort": 8080}]}
        await self._post(f"/api/v1/namespaces/{namespace}/services", {"metadata": {"name": name}, "spec": spec})

    async def _pod(self, namespace: str, service: str, name: str) -> None:
        labels = {"project": namespace, "service": service, "color": "", "version": "v1"}
        labels = {f"colorlane.dev/{key}": value for key, value in labels.items()}
        environment = [{"name": f"VARIABLE_{number}", "value": "x" * 20} for number in range(10)]  # pods are not small
        containers = [
            {"name": "app", "image": "registry.test/app:1", "env": environment},
            {"name": "colorlane-proxy", "image": "registry.test/proxy:1", "env": environment},
        ]
        spec = {"nodeName": "node-0", "containers": containers, "automountServiceAccountToken": False}
        path = f"/api/v1/namespaces/{namespace}/pods"
        await self._post(path, {"metadata": {"name": name, "labels": labels}, "spec": spec})
        status = {
            "phase": "Running",
            "podIP": address(service, name),
            "podIPs": [{"ip": address(service, name)}],
            "conditions": [{"type": kind, "status": "True"} for kind in ("Initialized", "Ready", "ContainersReady")],
        }
        async with self._places:
            await self.patch(f"{path}/{name}/status", {"status": status})

    async def _post(self, path: str, body: Item) -> None:
        async with self._places:
            answer = await self.client.post(path, json=body)
        answer.raise_for_status()


def client(url: str, trust: ssl.SSLContext) -> httpx.AsyncClient:
    """Return a client that keeps its connections."""
    limits = httpx.Limits(max_connections=AT_ONCE, max_keepalive_connections=AT_ONCE)
    return httpx.AsyncClient(base_url=url, verify=trust, timeout=60, limits=limits, trust_env=False)
