"""Client of the mesh's HTTP API for programs: synchronous, raising `mesh.errors`. Delivery's adapters use it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import httpx

from mesh.errors import Broken, Conflict, MeshError, NotFound, Rejected, Transient, Unauthenticated
from mesh.model.nouns import written

TIMEOUT = httpx.Timeout(5.0, connect=1.0)


class MeshClient:
    """`url` is the base of the API, `token` its COLORLANE_MESH_TOKEN, "" where none is asked for.

    Safe to share between threads. A mesh that is away raises `Transient`.
    """

    def __init__(self, url: str, token: str = "") -> None:
        # A proxy of the user's environment must neither see nor break calls on this machine.
        # Certificates are looked at for https only: to load the authorities takes 40 ms of every start.
        verify = not url.startswith("http://")
        headers = {"authorization": f"Bearer {token}"} if token else {}
        self._http = httpx.Client(base_url=url, headers=headers, timeout=TIMEOUT, trust_env=False, verify=verify)

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def put_namespace(self, namespace: str, domain: str, service: str, port: int) -> None:
        """Expose a namespace: its domain leads to the service's port."""
        self.call("PUT", "namespaces", namespace, body={"domain": domain, "entry": {"service": service, "port": port}})

    def remove_namespace(self, namespace: str) -> None:
        """Forget a namespace with its environments and intents."""
        self.call("DELETE", "namespaces", namespace)

    def put_environment(self, namespace: str, color: str, base: str = "", fallback: str = "fallback") -> None:
        """Make a colour known."""
        self.call("PUT", "environments", namespace, written(color), body={"base": base, "fallback": fallback})

    def remove_environment(self, namespace: str, color: str) -> None:
        """Forget a colour."""
        self.call("DELETE", "environments", namespace, written(color))

    def put_intent(
        self, namespace: str, service: str, color: str, generation: int, stable: str, weights: Mapping[str, int]
    ) -> dict[str, Any]:
        """Ask for weights. Raises `Conflict` when the mesh has seen a newer generation."""
        body = {"generation": generation, "stable": stable, "weights": dict(weights)}
        return self.call("PUT", "intents", namespace, service, written(color), body=body)

    def remove_intent(self, namespace: str, service: str, color: str, generation: int) -> None:
        """Withdraw a service from a lane."""
        self.call("DELETE", "intents", namespace, service, written(color), query={"generation": generation})

    def intent(self, namespace: str, service: str, color: str) -> dict[str, Any]:
        """Return the newest intent, whether it is programmed, and who is waited for. Raises `NotFound`."""
        return self.call("GET", "intents", namespace, service, written(color))

    def put_endpoints(self, node: str, endpoints: list[dict[str, Any]]) -> None:
        """Replace all endpoints of a node."""
        self.call("PUT", "nodes", node, "endpoints", body={"endpoints": endpoints})

    def is_withdrawn(self, endpoint_id: str) -> bool:
        """Whether no proxy sends requests to the endpoint any more."""
        return bool(self.call("GET", "endpoints", *endpoint_id.split("/"))["withdrawn"])

    def telemetry(self, namespace: str, service: str, color: str) -> dict[str, Any]:
        """Return cumulative counts by version."""
        return self.call("GET", "telemetry", namespace, service, written(color))

    def proxies(self) -> list[dict[str, Any]]:
        """Return how each connected proxy stands."""
        return list(self.call("GET", "proxies")["proxies"])

    def call(
        self, method: str, *parts: str, body: Any = None, query: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        """Make one call under /v1 and return the answer's JSON. Raises `mesh.errors`."""
        path = "/v1/" + "/".join(quote(part, safe="") for part in parts)
        try:
            answer = self._http.request(method, path, json=body, params=query)
        except httpx.TransportError as error:
            raise Transient(f"the mesh at {self._http.base_url} does not answer: {error!r}") from error
        if answer.is_error:
            raise _error(f"{method} {path}", answer)
        return dict(answer.json())


def _error(what: str, answer: httpx.Response) -> MeshError:
    try:
        problem = answer.json()
    except ValueError:
        problem = {"detail": answer.text[:200]}
    text = f"{what}: {answer.status_code} {problem.get('detail', '')}"
    if answer.status_code in (429, 502, 503, 504):
        return Transient(text, retry_after=float(answer.headers.get("retry-after", 1)))
    if answer.status_code >= httpx.codes.INTERNAL_SERVER_ERROR:
        return Broken(text)
    kind = {401: Unauthenticated, 404: NotFound, 409: Conflict}.get(answer.status_code, Rejected)
    return kind(text, field=problem.get("field", ""), remedy=problem.get("remedy", ""))
