"""The Kubernetes API server: JSON in, JSON out. Neighbours: connection, refusals; everything here that does I/O.

Plain requests on the library's connection, because its models cost ten times the memory of what is kept and drop fields
that they do not know. A request that may be repeated is repeated: all ours are idempotent or carry a precondition.
"""

from __future__ import annotations

import contextlib
import json
import random
import time
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlencode

import urllib3
from kubernetes.client import ApiClient

from delivery.adapters.platform_kubernetes.names import FIELD_MANAGER
from delivery.adapters.platform_kubernetes.refusals import NOT_FOUND, TOO_MANY, UNAUTHORIZED, Refused
from delivery.errors import Transient

APPLY = "application/apply-patch+yaml"  # JSON is YAML
JSON_PATCH = "application/json-patch+json"
MERGE_PATCH = "application/merge-patch+json"
CONNECT, READ = 3.0, 20.0  # seconds
ATTEMPTS = 3
LONGEST_PAUSE = 2.0  # seconds that a caller is kept waiting for a busy server, between attempts
PAGE = 500

PLURALS: Mapping[str, str] = {
    "Deployment": "deployments",
    "ReplicaSet": "replicasets",
    "Pod": "pods",
    "Service": "services",
    "ConfigMap": "configmaps",
    "Secret": "secrets",
    "ServiceAccount": "serviceaccounts",
    "HorizontalPodAutoscaler": "horizontalpodautoscalers",
    "PodDisruptionBudget": "poddisruptionbudgets",
    "Namespace": "namespaces",
    "ResourceQuota": "resourcequotas",
    "NetworkPolicy": "networkpolicies",
    "Event": "events",
    "Rollout": "rollouts",
    "Environment": "environments",
}
VERSIONS: Mapping[str, str] = {  # of kinds that we read without having been given one
    "Deployment": "apps/v1",
    "ReplicaSet": "apps/v1",
    "HorizontalPodAutoscaler": "autoscaling/v2",
    "PodDisruptionBudget": "policy/v1",
    "NetworkPolicy": "networking.k8s.io/v1",
    "Rollout": "colorlane.dev/v1alpha1",
    "Environment": "colorlane.dev/v1alpha1",
}

Json = Mapping[str, Any]
Object = dict[str, Any]


class Api:
    """One API server. Methods raise `Refused` for what it says no to, and `Transient` when it does not answer."""

    def __init__(self, client: ApiClient) -> None:
        self.client = client

    def get(self, kind: str, namespace: str, name: str) -> Object | None:
        """Return an object, None where there is none."""
        with contextlib.suppress(Missing):
            return self._send("GET", path_of(kind, namespace, name))
        return None

    def find(self, kind: str, namespace: str = "", **query: str) -> tuple[list[Object], str]:
        """Return all objects of a kind (of all namespaces for "") and the version of the list."""
        found: list[Object] = []
        page: dict[str, str] = {"limit": str(PAGE), **query}
        while True:
            answer = self._send("GET", path_of(kind, namespace), page)
            found += answer.get("items") or []
            onwards = (answer.get("metadata") or {}).get("continue")
            if not onwards:
                return found, str(answer["metadata"].get("resourceVersion", ""))
            page = {**query, "limit": str(PAGE), "continue": onwards}

    def apply(self, item: Json, *, force: bool = True, dry_run: bool = False, manager: str = FIELD_MANAGER) -> Object:
        """Server-side apply; a uid or resourceVersion in the metadata are preconditions (docs/decisions/0015)."""
        query = {"fieldManager": manager, "force": str(force).lower()}
        if dry_run:
            query["dryRun"] = "All"
        metadata = item["metadata"]
        path = path_of(item["kind"], metadata.get("namespace", ""), metadata["name"], item["apiVersion"])
        return self._send("PATCH", path, query, item, APPLY)

    def create(self, item: Json) -> Object:
        """Create an object; refused with a conflict where it exists."""
        path = path_of(item["kind"], item["metadata"].get("namespace", ""), "", item["apiVersion"])
        return self._send("POST", path, {"fieldManager": FIELD_MANAGER}, item)

    def replace(self, item: Json) -> Object:
        """Write an object that was read before; refused with a conflict when it has changed since."""
        metadata = item["metadata"]
        path = path_of(item["kind"], metadata.get("namespace", ""), metadata["name"], item["apiVersion"])
        return self._send("PUT", path, {"fieldManager": FIELD_MANAGER}, item)

    def patch(self, kind: str, namespace: str, name: str, operations: list[Json]) -> Object:
        """Change single fields (JSON Patch)."""
        return self._send(
            "PATCH", path_of(kind, namespace, name), {"fieldManager": FIELD_MANAGER}, operations, JSON_PATCH
        )

    def merge(self, kind: str, namespace: str, name: str, body: Json, part: str = "") -> Object:
        """Merge into an object (RFC 7386), or into a part of it, its `status`."""
        path = path_of(kind, namespace, name) + (f"/{part}" if part else "")
        return self._send("PATCH", path, {"fieldManager": FIELD_MANAGER}, body, MERGE_PATCH)

    def delete(self, kind: str, namespace: str, name: str, preconditions: Json | None = None) -> None:
        """Delete an object after all it owns (foreground); nothing where there is none."""
        options: Object = {"apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": "Foreground"}
        if preconditions:
            options["preconditions"] = dict(preconditions)
        with contextlib.suppress(Missing):
            self._send("DELETE", path_of(kind, namespace, name), None, options)

    def text(self, path: str, query: Mapping[str, str]) -> str:
        """Return what is not JSON: logs."""
        with self._answered("GET", path, query, None, "", READ) as response:
            return bytes(response.data).decode(errors="replace")

    @contextlib.contextmanager
    def lines(self, path: str, query: Mapping[str, str], silence: float) -> Iterator[Iterator[bytes]]:
        """Give the lines of a watch; `Transient` when it breaks, or is silent for so many seconds."""
        with self._answered("GET", path, query, None, "", silence, stream=True) as response:
            yield _lines(response)

    def _send(
        self, method: str, path: str, query: Mapping[str, str] | None = None, body: object = None, content: str = ""
    ) -> Object:
        for attempt in range(1, ATTEMPTS + 1):
            try:
                with self._answered(method, path, query or {}, body, content, READ) as response:
                    found: Object = json.loads(response.data)
                    return found
            except Refused as refused:
                if attempt == ATTEMPTS or refused.code not in (TOO_MANY, UNAUTHORIZED):
                    raise
                time.sleep(min(refused.retry_after, LONGEST_PAUSE) * random.uniform(0.5, 1))  # noqa: S311  spread, not secret
            except Transient:
                # A connection that was kept open across a restart of the server breaks at its next use.
                if attempt > 1:
                    raise
        raise AssertionError("unreachable")

    @contextlib.contextmanager
    def _answered(
        self,
        method: str,
        path: str,
        query: Mapping[str, str],
        body: object,
        content: str,
        silence: float,
        stream: bool = False,
    ) -> Iterator[urllib3.BaseHTTPResponse]:
        configuration = self.client.configuration
        headers = {"accept": "application/json", "user-agent": self.client.user_agent}
        headers |= {each["key"]: each["value"] for each in configuration.auth_settings().values()}
        if body is not None:
            headers["content-type"] = content or "application/json"
        url = f"{configuration.host}{path}{'?' + urlencode(query) if query else ''}"
        try:
            response = self.client.rest_client.pool_manager.request(
                method,
                url,
                body=None if body is None else json.dumps(body),
                headers=headers,
                timeout=urllib3.Timeout(connect=CONNECT, read=silence),
                retries=False,
                preload_content=not stream,
            )
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise _away(error) from error
        try:
            if response.status >= 400:
                raise _refusal(response)
            yield response
        finally:
            if stream:
                response.close()


class Missing(Refused):
    """There is no such object (not: no such kind or namespace, when something is written)."""


def path_of(kind: str, namespace: str, name: str = "", version: str = "") -> str:
    """Return the path of an object, or of a kind's collection."""
    version = version or VERSIONS.get(kind, "v1")
    root = "/api/v1" if version == "v1" else f"/apis/{version}"
    place = f"/namespaces/{namespace}" if namespace else ""
    return f"{root}{place}/{PLURALS[kind]}{'/' + name if name else ''}"


def _lines(response: urllib3.BaseHTTPResponse) -> Iterator[bytes]:
    rest = b""
    try:
        for chunk in response.stream(64 * 1024, decode_content=True):
            *whole, rest = (rest + chunk).split(b"\n")
            yield from whole
    except (urllib3.exceptions.HTTPError, OSError) as error:
        raise _away(error) from error


def _refusal(response: urllib3.BaseHTTPResponse) -> Refused:
    try:
        status = json.loads(response.data)
    except (urllib3.exceptions.HTTPError, OSError, ValueError):
        status = {}
    kind = Missing if response.status == NOT_FOUND else Refused
    return kind(response.status, status if isinstance(status, dict) else {}, response.headers.get("retry-after", ""))


def _away(error: Exception) -> Transient:
    return Transient(f"the Kubernetes API server does not answer: {error}")
