"""The Kubernetes API server: JSON in, JSON out, watches line by line. Neighbours: whoever speaks to Kubernetes.

Connection, TLS and credentials are the `kubernetes` library's (`kubernetes.aio`). Its Watch is not used: it builds
models of whole objects where we keep a few fields, comes back without a pause when a watch ends, and repeats one
that is `410 Gone` with the same version. Errors are the mesh's own, by what the caller can do about them.
"""

from __future__ import annotations

import json
import os
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from typing import Any, Final

import aiohttp
from kubernetes.aio import config
from kubernetes.aio.client import ApiClient, Configuration

from mesh.errors import Conflict, NotFound, Rejected, Transient

APPLY: Final = "application/apply-patch+yaml"  # server-side apply; JSON is YAML
MERGE: Final = "application/merge-patch+json"
FIELD_MANAGER: Final = "colorlane"
REQUEST_SECONDS: Final = 30.0
CONNECT_SECONDS: Final = 5.0
LONGEST_RETRY_AFTER: Final = 60.0
_UNAUTHORIZED, _FORBIDDEN, _NOT_FOUND, _CONFLICT, _GONE, _BUSY = 401, 403, 404, 409, 410, 429

Json = Mapping[str, Any]


class Gone(Transient):
    """The version asked for is no longer kept (410): list anew."""


class Denied(Rejected):
    """The API server knows us and says no (403), or does not know us (401)."""

    status = 403


class ApiServer:
    """One API server. `kubeconfig`: path of a file; empty where the process runs in a pod of the cluster.

    Methods raise `Transient` (away, busy), `Gone`, `Denied`, `NotFound`, `Conflict`, and `Rejected` for the rest.
    """

    def __init__(self, kubeconfig: str = "", user_agent: str = "colorlane-mesh") -> None:
        self._kubeconfig = kubeconfig
        self._user_agent = user_agent
        self._client: ApiClient | None = None

    async def get(self, path: str, query: Json | None = None) -> dict[str, Any]:
        """Read an object or a list."""
        return await self.send("GET", path, query=query)

    async def send(
        self, method: str, path: str, body: Json | None = None, *, query: Json | None = None, content: str = ""
    ) -> dict[str, Any]:
        """Make a request, and return the answer. `content`: media type of the body, where it is not plain JSON."""
        limits = aiohttp.ClientTimeout(total=REQUEST_SECONDS, sock_connect=CONNECT_SECONDS)
        response = await self._request(method, path, query, limits, body, content)
        try:
            return dict(json.loads(await response.read()))
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            raise _away(error) from error
        finally:
            response.release()

    async def apply(self, path: str, body: Json, *, force: bool = True) -> dict[str, Any]:
        """Server-side apply as field manager `colorlane`; `path` may end in `/status`."""
        query = {"fieldManager": FIELD_MANAGER, "force": str(force).lower()}
        return await self.send("PATCH", path, body, query=query, content=APPLY)

    async def events(self, path: str, query: Json, *, silence: float) -> AsyncGenerator[dict[str, Any], None]:
        """Watch: yield events until the API server ends it. No byte for `silence` seconds raises `Transient`."""
        limits = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_SECONDS, sock_read=silence)
        response = await self._request("GET", path, {**query, "watch": "true"}, limits)
        try:
            yield {"type": "CONNECTED"}
            async for line in _lines(response):
                event = dict(json.loads(line))
                if event["type"] == "ERROR":
                    raise _refusal(int(event["object"].get("code", 0)), event["object"], {})
                yield event
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            raise _away(error) from error
        finally:
            response.close()

    async def renew_credentials(self) -> None:
        """Read kubeconfig or the pod's token again: what was read before has been refused."""
        await self.close()

    async def close(self) -> None:
        """Close the connections; the next request opens new ones."""
        client, self._client = self._client, None
        if client is not None:
            await client.close()

    async def _request(
        self,
        method: str,
        path: str,
        query: Json | None,
        limits: aiohttp.ClientTimeout,
        body: Json | None = None,
        content: str = "",
    ) -> aiohttp.ClientResponse:
        client = await self._connected()
        headers = {"Accept": "application/json", "Content-Type": content or "application/json"}
        try:
            ready = await client.param_serialize(
                method,
                path,
                query_params=list((query or {}).items()),
                header_params=headers,
                body=body,
                auth_settings=["BearerToken"],
            )
            answered = await client.call_api(*ready, _request_timeout=limits)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise _away(error) from error
        response: aiohttp.ClientResponse = answered.response
        if response.status >= 400:
            raise await _refused(response)
        return response

    async def _connected(self) -> ApiClient:
        if self._client is None:
            self._client = ApiClient(await _configuration(self._kubeconfig))
            self._client.user_agent = self._user_agent
        return self._client


async def _configuration(kubeconfig: str) -> Configuration:
    found = Configuration()
    try:
        if kubeconfig:
            await config.load_kube_config(config_file=kubeconfig, client_configuration=found)
        elif "KUBERNETES_SERVICE_HOST" in os.environ:
            config.load_incluster_config(client_configuration=found)
        else:
            raise Rejected(
                "there is no Kubernetes here: this process does not run in a pod",
                field="COLORLANE_KUBECONFIG",
                value=kubeconfig,
                remedy="set COLORLANE_KUBECONFIG to the path of a kubeconfig file",
            )
    except config.ConfigException as error:
        raise Rejected(
            f"kubeconfig {kubeconfig!r} is not usable: {error}"
            if kubeconfig
            else f"no credentials in the pod: {error}",
            field="COLORLANE_KUBECONFIG",
            value=kubeconfig,
            remedy="check the file, or that the pod's ServiceAccount token is mounted",
        ) from error
    return found


async def _lines(response: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
    """The lines of a watch, however long (aiohttp's own reading by lines gives up on long ones, and loses them)."""
    rest: list[bytes] = []
    async for chunk in response.content.iter_any():
        *whole, last = chunk.split(b"\n")
        for line in whole:
            yield b"".join((*rest, line))
            rest.clear()
        rest.append(last)


def _away(error: Exception) -> Transient:
    said = str(error) or type(error).__name__
    return Transient(f"the Kubernetes API server does not answer: {said}")


async def _refused(response: aiohttp.ClientResponse) -> Exception:
    try:
        status = json.loads(await response.read())
    except (aiohttp.ClientError, TimeoutError, OSError, ValueError):
        status = {}
    finally:
        response.release()
    return _refusal(response.status, status if isinstance(status, dict) else {}, response.headers)


def _refusal(code: int, status: Json, headers: Mapping[str, str]) -> Exception:
    """The error for a Status object of the API server."""
    said = f"the Kubernetes API server answers {code}: {status.get('message') or 'no reason given'}"
    if code == _GONE:
        return Gone(said)
    if code in (_UNAUTHORIZED, _FORBIDDEN):
        remedy = "give the ServiceAccount that right (docs/kubernetes-mesh.md lists what the mesh needs)"
        return Denied(said, field="credentials" if code == _UNAUTHORIZED else "rbac", value=code, remedy=remedy)
    if code == _NOT_FOUND:
        return NotFound(said, field="path", remedy="check the name, and that the CRD is installed")
    if code == _CONFLICT:
        return Conflict(said, field="resourceVersion", remedy="read it again")
    if code == _BUSY or code >= 500 or code == 0:
        return Transient(said, retry_after=_retry_after(headers.get("Retry-After", "")))
    return Rejected(said, field=str(status.get("reason", "")), value=code, remedy="see the message")


def _retry_after(text: str) -> float:
    return min(float(text), LONGEST_RETRY_AFTER) if text.isdigit() else 1.0
