"""One HTTP call to the mesh, with its answers turned into our few errors. Neighbours: traffic_mesh, metrics_mesh."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import httpx

from delivery.errors import Broken, Conflict, NotFound, Rejected, Transient

BASELINE = "-"  # how the baseline's empty colour is written in paths
TIMEOUT = httpx.Timeout(5.0, connect=1.0)  # seconds; the mesh answers from memory, so longer means it is not well


class MeshCalls:
    """A pooled client for the mesh at `url`; safe to share between threads."""

    def __init__(self, url: str) -> None:
        # trust_env off: a proxy of the user's environment must never see, or break, calls on this machine.
        self._client = httpx.Client(base_url=url, timeout=TIMEOUT, trust_env=False)

    def call(self, method: str, *parts: str, body: Any = None, **query: Any) -> Any:
        """Return the answer's JSON (None when empty). Raises NotFound, Conflict, Rejected, Transient, Broken."""
        path = "/v1/" + "/".join(quote(part or BASELINE, safe="") for part in parts)
        try:
            answer = self._client.request(method, path, json=body, params=query or None)
        except httpx.TransportError as error:
            raise Transient(f"the mesh does not answer ({type(error).__name__})") from error
        if answer.status_code >= 400:
            raise _error(method, path, answer)
        return answer.json() if answer.content else None


def _error(method: str, path: str, answer: httpx.Response) -> Exception:
    try:
        problem = answer.json()
        detail = str(problem.get("detail") or problem.get("title") or answer.text)
    except ValueError:
        detail = answer.text[:200]
    text = f"mesh: {method} {path}: {answer.status_code} {detail}"
    match answer.status_code:
        case 404:
            return NotFound(text)
        case 409:
            return Conflict(text)
        case 429 | 502 | 503 | 504:
            return Transient(text)
        case status if status < 500:
            return Rejected(text)
    return Broken(text)
