"""A vault in a Kubernetes Secret of Colorlane's namespace: the API server decides which replica was first.

Rights it needs there, on the one name: get and update; and create, unless the Secret is made (empty) beforehand.
A Secret that exists without our keys counts as empty, so that an installation may ship it.
"""

from __future__ import annotations

import base64
import http

import aiohttp
from kubernetes.aio import client

from mesh.errors import Rejected, Transient
from mesh.identity.authority import Stored
from mesh.identity.keyring import Keyring

NAME = "colorlane-mesh-ca"
ROOTS_KEY = "roots.pem"  # certificates with keys: what we read back
BUNDLE_KEY = "ca.crt"  # certificates only, for people and programs that want to trust the mesh
TIMEOUT = 10.0

AWAY = (aiohttp.ClientError, TimeoutError, OSError)


class SecretVault:
    """`api` is an open client of the cluster."""

    def __init__(self, api: client.ApiClient, namespace: str, *, name: str = NAME) -> None:
        self._core = client.CoreV1Api(api)
        self._namespace = namespace
        self._name = name
        self._empty_mark = ""  # resourceVersion of a Secret that is there without roots

    async def read(self) -> Stored | None:
        """See `Vault`."""
        try:
            secret = await self._core.read_namespaced_secret(self._name, self._namespace, _request_timeout=TIMEOUT)
        except client.ApiException as error:
            if error.status == http.HTTPStatus.NOT_FOUND:
                self._empty_mark = ""
                return None
            raise self._refused("read", error) from error
        except AWAY as error:
            raise Transient(f"the API server does not answer: {error!r}") from error
        mark = (secret.metadata and secret.metadata.resource_version) or ""
        text = base64.b64decode((secret.data or {}).get(ROOTS_KEY, ""))
        self._empty_mark = "" if text else mark
        return Stored(Keyring.from_pem(text), mark) if text else None

    async def write(self, keyring: Keyring, over: Stored | None) -> bool:
        """See `Vault`. 409, or a Secret that has gone, means that another one was first."""
        mark = over.mark if over else self._empty_mark
        body = self._body(keyring, mark)
        try:
            if mark:
                await self._core.replace_namespaced_secret(self._name, self._namespace, body, _request_timeout=TIMEOUT)
            else:
                await self._core.create_namespaced_secret(self._namespace, body, _request_timeout=TIMEOUT)
        except client.ApiException as error:
            if error.status == http.HTTPStatus.CONFLICT or (mark and error.status == http.HTTPStatus.NOT_FOUND):
                return False
            raise self._refused("write", error) from error
        except AWAY as error:
            raise Transient(f"the API server does not answer: {error!r}") from error
        return True

    def _body(self, keyring: Keyring, mark: str) -> client.V1Secret:
        data = {ROOTS_KEY: keyring.to_pem(), BUNDLE_KEY: keyring.bundle()}
        labels = {"app.kubernetes.io/part-of": "colorlane", "app.kubernetes.io/managed-by": "colorlane-mesh"}
        return client.V1Secret(
            metadata=client.V1ObjectMeta(
                name=self._name, namespace=self._namespace, labels=labels, resource_version=mark or None
            ),
            type="Opaque",
            data={key: base64.b64encode(text).decode() for key, text in data.items()},
        )

    def _refused(self, verb: str, error: client.ApiException) -> Rejected | Transient:
        where = f"Secret {self._namespace}/{self._name}"
        if error.status in (http.HTTPStatus.FORBIDDEN, http.HTTPStatus.UNAUTHORIZED):
            return Rejected(
                f"may not {verb} {where} ({error.status})",
                field="RBAC",
                value=where,
                remedy="give the mesh's ServiceAccount get, create and update on this Secret",
            )
        return Transient(f"cannot {verb} {where}: {error.status} {error.reason}")
