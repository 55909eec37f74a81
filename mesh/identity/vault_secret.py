"""A vault in a Kubernetes Secret of Colorlane's namespace: the API server decides which replica was first.

Rights it needs there, on the one name: get and update; and create, unless the Secret is made (empty) beforehand.
A Secret that exists without our keys counts as empty, so that an installation may ship it.
"""

from __future__ import annotations

import base64
from typing import Any

from mesh.apiserver import ApiServer
from mesh.errors import Conflict, NotFound
from mesh.identity.authority import Stored
from mesh.identity.keyring import Keyring

NAME = "colorlane-mesh-ca"
ROOTS_KEY = "roots.pem"  # certificates with keys: what we read back
BUNDLE_KEY = "ca.crt"  # certificates only, for people and programs that want to trust the mesh


class SecretVault:
    """Methods raise what `ApiServer` raises: Transient, Denied, Rejected."""

    def __init__(self, api: ApiServer, namespace: str, *, name: str = NAME) -> None:
        self._api = api
        self._folder = f"/api/v1/namespaces/{namespace}/secrets"
        self._metadata = {"name": name, "namespace": namespace, "labels": {"app.kubernetes.io/part-of": "colorlane"}}
        self._empty: dict[str, Any] = {}  # metadata of a Secret that is there without roots

    async def read(self) -> Stored | None:
        """See `Vault`."""
        self._empty = {}
        try:
            secret = await self._api.get(f"{self._folder}/{self._metadata['name']}")
        except NotFound:
            return None
        text = base64.b64decode((secret.get("data") or {}).get(ROOTS_KEY, ""))
        if text:
            return Stored(Keyring.from_pem(text), secret["metadata"]["resourceVersion"])
        self._empty = secret["metadata"]
        return None

    async def write(self, keyring: Keyring, over: Stored | None) -> bool:
        """See `Vault`. 409, or a Secret that has gone, means that another one was first."""
        mark = over.mark if over else self._empty.get("resourceVersion", "")
        try:
            if mark:
                path = f"{self._folder}/{self._metadata['name']}"
                await self._api.send("PUT", path, self._secret(keyring, {"resourceVersion": mark}))
            else:
                await self._api.send("POST", self._folder, self._secret(keyring, {}))
        except (Conflict, NotFound):
            return False
        return True

    def _secret(self, keyring: Keyring, mark: dict[str, str]) -> dict[str, Any]:
        data = {ROOTS_KEY: keyring.to_pem(), BUNDLE_KEY: keyring.bundle()}
        kept = {key: self._empty[key] for key in ("labels", "annotations") if key in self._empty}
        return {
            "apiVersion": "v1",
            "kind": "Secret",
            "type": "Opaque",
            "metadata": self._metadata | kept | mark,
            "data": {key: base64.b64encode(text).decode() for key, text in data.items()},
        }
