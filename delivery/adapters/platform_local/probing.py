"""Carrying out one probe. Neighbours: plan (what a probe is), health (when to probe, what to make of it)."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping, Sequence
from pathlib import Path

import httpx

from delivery.adapters.platform_local.plan import Probe
from delivery.processes.process import spawn

HOST = "127.0.0.1"


class Prober:
    """Probes one application. `targets` maps container ports to ports of this machine; `env` is for exec probes."""

    def __init__(
        self, client: httpx.AsyncClient, targets: Mapping[int, int], cwd: Path, env: Mapping[str, str], log: Path
    ) -> None:
        self._client, self._targets = client, targets
        self._cwd, self._env, self._log = cwd, env, log

    async def failure(self, probe: Probe) -> str:
        """Return "" when the probe passes, else what it was and why it failed, for people."""
        try:
            async with asyncio.timeout(probe.timeout):
                why = await self._ask(probe)
        except TimeoutError:
            why = f"no answer within {probe.timeout:g} s"
        return f"{self.describe(probe)}: {why}" if why else ""

    def describe(self, probe: Probe) -> str:
        """Return e.g. "GET /healthz on port 41001"."""
        if probe.kind == "exec":
            return " ".join(probe.command)
        action = f"GET {probe.path}" if probe.kind == "http" else "connecting"
        return f"{action} on port {self._targets[probe.port]}"

    async def _ask(self, probe: Probe) -> str:
        if probe.kind == "http":
            return await self._get(probe)
        if probe.kind == "tcp":
            return await self._connect(probe)
        return await self._run(probe.command)

    async def _get(self, probe: Probe) -> str:
        url = f"http://{HOST}:{self._targets[probe.port]}{probe.path}"
        headers = {"user-agent": "kube-probe/colorlane", "connection": "close", **dict(probe.headers)}
        try:
            response = await self._client.get(url, headers=headers)
        except httpx.ConnectError:
            return "connection refused"
        except httpx.HTTPError as error:
            return f"{type(error).__name__} {error}".strip()
        return "" if 200 <= response.status_code < 400 else f"answered {response.status_code}"

    async def _connect(self, probe: Probe) -> str:
        try:
            _, writer = await asyncio.open_connection(HOST, self._targets[probe.port])
        except OSError:
            return "connection refused"
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()
        return ""

    async def _run(self, command: Sequence[str]) -> str:
        try:
            process = spawn(command, cwd=self._cwd, env=self._env, log=self._log)
        except OSError as error:
            return f"cannot be started: {error}"
        try:
            end = await process.wait()
        finally:
            await asyncio.shield(process.stop(grace=0))
        return "" if end.code == 0 else end.describe()
