"""Registration: the caBundle of the webhook's configuration follows the mesh's roots. Neighbours: configuration.

The installation makes the object, each replica of the mesh keeps it right: rights are get, list, watch and update on
that one name. Two replicas that write at once lose nothing: the later one is refused (409), reads, and finds it done.
"""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Callable
from typing import Any

import structlog

from mesh.apiserver import ApiServer
from mesh.errors import Conflict, MeshError, NotFound
from mesh.webhook.configuration import NAME

FOLDER = "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations"
WATCH_SECONDS = 290  # the roots may have changed after that; they do so years before it matters
RETRY_SECONDS = 5.0
TRIES = 5

log = structlog.get_logger("mesh.webhook")


class Registration:
    """`bundle` gives the roots as they are now; `name` is that of the configuration object."""

    def __init__(self, api: ApiServer, bundle: Callable[[], bytes], *, name: str = NAME) -> None:
        self._api = api
        self._bundle = bundle
        self._name = name
        self.state = "not registered yet"

    async def keep(self) -> None:
        """Run for ever: set the bundle right, then again whenever the object changes or comes back."""
        while True:
            try:
                if await self.settle():  # replicas that know different roots for a while must not race
                    await asyncio.sleep(RETRY_SECONDS)
                await self._next_change()
            except MeshError as error:
                if self.state != str(error):
                    log.warning("webhook not registered", name=self._name, reason=str(error))
                self.state = str(error)
                await asyncio.sleep(RETRY_SECONDS)

    async def settle(self) -> bool:
        """Set the bundle right once; True if it had to be. Raises as ApiServer does, NotFound with its own words."""
        path = f"{FOLDER}/{self._name}"
        for _ in range(TRIES):
            try:
                found = await self._api.get(path)
            except NotFound as error:
                raise self._absent() from error
            wanted = _with_bundle(found, self._bundle())
            if wanted is None:
                self.state = "registered"
                return False
            try:
                await self._api.send("PUT", path, wanted)
            except Conflict:
                continue
            self.state = "registered"
            log.info("webhook registered", name=self._name, entries=len(wanted["webhooks"]))
            return True
        raise Conflict(f"MutatingWebhookConfiguration {self._name} changed {TRIES} times meanwhile")

    async def _next_change(self) -> None:
        """Return once the object is not as it was, or after some minutes."""
        query = {"fieldSelector": f"metadata.name={self._name}", "timeoutSeconds": WATCH_SECONDS}
        async for event in self._api.events(FOLDER, query, silence=WATCH_SECONDS + 30.0):
            if event["type"] == "DELETED":
                return
            if event["type"] != "CONNECTED" and _with_bundle(event["object"], self._bundle()) is not None:
                return

    def _absent(self) -> NotFound:
        return NotFound(
            f"there is no MutatingWebhookConfiguration {self._name}: pods get no sidecar by themselves",
            field="COLORLANE_WEBHOOK_NAME",
            value=self._name,
            remedy="apply an overlay with kustomize/components/sidecar, or use colorlane mesh inject",
        )


def _with_bundle(found: dict[str, Any], bundle: bytes) -> dict[str, Any] | None:
    """Return the object with this bundle in all entries; None if it is so already."""
    text = base64.b64encode(bundle).decode()
    entries = found.get("webhooks") or []
    if all((entry.get("clientConfig") or {}).get("caBundle") == text for entry in entries):
        return None
    changed = [{**entry, "clientConfig": {**(entry.get("clientConfig") or {}), "caBundle": text}} for entry in entries]
    return {**found, "webhooks": changed}
