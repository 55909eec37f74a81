"""Peers: asking other replicas of the mesh over their HTTP API. Neighbours: fleet (what is asked), api.internal.

aiohttp, because a question costs half of what it costs with httpx, and programs wait for the answers of all replicas.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import structlog

ASK_SECONDS = 1.0
CONNECT_SECONDS = 0.5

log = structlog.get_logger("mesh.peers")


class HttpPeers:
    """`token` is the bearer token that all replicas share, "" where none is asked for. Needs a running event loop."""

    def __init__(self, token: str = "") -> None:
        import aiohttp  # late: a mesh of one replica asks nobody, and starts a tenth of a second earlier

        self._failures = (aiohttp.ClientError, TimeoutError, OSError, ValueError)
        headers = {"authorization": f"Bearer {token}"} if token else {}
        timeout = aiohttp.ClientTimeout(total=ASK_SECONDS, sock_connect=CONNECT_SECONDS)
        self._http = aiohttp.ClientSession(headers=headers, timeout=timeout, trust_env=False)
        self._silent: set[str] = set()

    async def close(self) -> None:
        """Close the connections."""
        await self._http.close()

    async def ask(self, url: str, path: str, query: Mapping[str, str]) -> Mapping[str, Any] | None:
        """Return the answer of the replica at `url`, None when there is none."""
        return await self._call("GET", f"{url}/internal/{path}", params=dict(query))

    async def tell(self, url: str, path: str, content: bytes) -> bool:
        """Send something to the replica at `url`; return whether it took it."""
        return await self._call("POST", f"{url}/internal/{path}", data=content) is not None

    async def _call(self, method: str, url: str, **request: Any) -> Mapping[str, Any] | None:
        try:
            async with self._http.request(method, url, raise_for_status=True, **request) as answer:
                found: Mapping[str, Any] = await answer.json()
        except self._failures as error:
            if url not in self._silent and len(self._silent) < 1000:
                self._silent.add(url)
                log.warning("replica does not answer", url=url, reason=repr(error))
            return None
        self._silent.discard(url)
        return found
