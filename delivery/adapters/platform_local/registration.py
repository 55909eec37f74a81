"""Telling the mesh which endpoints this machine has, for as long as it runs. Neighbours: replica, agent.

The whole list is sent each time (`PUT /v1/nodes/<node>/endpoints` replaces): on every change, every few seconds so
that a mesh that lost something gets it back, and again and again while the mesh is away.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any
from urllib.parse import quote

import httpx
import structlog

from delivery.adapters.platform_local.records import ReplicaRecord
from delivery.adapters.platform_local.sidecar import endpoint_ports

REASSERT = 3.0  # seconds
RETRY = 0.2
TIMEOUT = 2.0
LOOK = 0.02  # seconds between questions whether an endpoint is withdrawn
LONGEST_LOOK = 0.2

log = structlog.get_logger(__name__)

Endpoint = dict[str, Any]


def endpoint(record: ReplicaRecord) -> Endpoint:
    """Return a replica as the mesh's HTTP API has it."""
    key = record.key
    return {
        "id": record.endpoint,
        "namespace": key.project,
        "service": key.service,
        "color": key.color,
        "version": key.version,
        "address": "127.0.0.1",
        "ports": [asdict(port) for port in endpoint_ports(record)],
        "outbound": record.ports.outbound,
        "state": record.state,
    }


class Registrar:
    """Keeps one node's endpoints registered. `node` names this machine to the mesh.

    `accepted` has what the mesh took last, endpoint id -> state; `on_accepted` is called when it took a list.
    """

    def __init__(
        self, client: httpx.AsyncClient, mesh_url: str, node: str, on_accepted: Callable[[], None], *, token: str = ""
    ) -> None:
        self._headers = {"authorization": f"Bearer {token}"} if token else {}
        self._client, self._mesh, self._node = client, mesh_url.rstrip("/"), node
        self._on_accepted = on_accepted
        self.accepted: dict[str, str] = {}
        self._endpoints: list[Endpoint] | None = None  # None: not known yet, nothing may be told
        self._changed = asyncio.Event()
        self.away = ""

    def update(self, endpoints: Sequence[Endpoint]) -> None:
        """Set the list; it is sent at once if it differs."""
        fresh = sorted(endpoints, key=lambda each: str(each["id"]))
        if fresh != self._endpoints:
            self._endpoints = fresh
            self._changed.set()

    async def run(self) -> None:
        """Send until cancelled."""
        taken = True
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(REASSERT if taken else RETRY):  # wait_for may lose a cancellation
                    await self._changed.wait()
            self._changed.clear()
            taken = self._endpoints is None or await self.send()

    async def send(self) -> bool:
        """Send the list once; False when the mesh did not take it."""
        url = f"{self._mesh}/v1/nodes/{quote(self._node, safe='')}/endpoints"
        endpoints = self._endpoints or []
        try:
            response = await self._client.put(
                url, json={"endpoints": endpoints}, headers=self._headers, timeout=TIMEOUT
            )
            problem = "" if response.is_success else f"answered {response.status_code}: {response.text[:300]}"
        except httpx.HTTPError as error:
            problem = f"{type(error).__name__} {error}".strip()
        if problem != self.away:
            log.info("mesh.registration", node=self._node, problem=problem or None)
            self.away = problem
        if not problem:
            self.accepted = {each["id"]: each["state"] for each in endpoints}
            self._on_accepted()
        return not problem

    async def until_withdrawn(self, endpoint_id: str, deadline: float) -> bool:
        """Return True when no proxy sends to the endpoint any more, False after `deadline` seconds.

        The deadline is for a mesh that is away: its proxies then still route here, but their retries and health
        checks move on once the application stops; waiting for ever would keep a deleted environment alive.
        """
        url = f"{self._mesh}/v1/endpoints/{quote(endpoint_id, safe='/')}"
        ends, pause = time.monotonic() + deadline, LOOK
        while time.monotonic() < ends:
            with contextlib.suppress(httpx.HTTPError, ValueError):
                response = await self._client.get(url, headers=self._headers, timeout=TIMEOUT)
                if response.is_success and response.json().get("withdrawn") is True:
                    return True
            await asyncio.sleep(pause)
            pause = min(pause * 1.2, LONGEST_LOOK)
        return False
