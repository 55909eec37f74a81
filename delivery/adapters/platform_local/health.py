"""The health of one run of an application: startup, then readiness and liveness side by side.

Fields mean what they mean in Kubernetes, with one difference: until the first success, startup and readiness are
asked every few milliseconds instead of every `periodSeconds`, because a preview's URL waits for them. Failures count
by `periodSeconds` all the same. Neighbours: probing, replica.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from delivery.adapters.platform_local.plan import Probe, Probes
from delivery.adapters.platform_local.probing import Prober

FIRST_PAUSE, PAUSE_GROWTH, LONGEST_PAUSE = 0.02, 1.1, 0.5  # seconds between looks until the first success


class AppHealth:
    """Watches one run. `ready` and `failure` are the newest findings; `on_change` is called when they change."""

    def __init__(self, probes: Probes, prober: Prober, on_change: Callable[[], None], *, ready: bool = False) -> None:
        self._probes, self._prober, self._on_change = probes, prober, on_change
        self._was_ready = ready
        self.ready = ready
        self.failure = ""

    async def watch(self) -> str:
        """Watch until the application must be restarted; return why. Cancel it when the run ends by itself."""
        probes = self._probes
        if probes.startup is not None and not self._was_ready:
            failure = await self._start_up(probes.startup)
            if failure:
                return failure
        readiness = asyncio.create_task(self._watch_readiness(probes.readiness))
        try:
            return await self._watch_liveness(probes.liveness)
        finally:
            readiness.cancel()

    async def _start_up(self, probe: Probe) -> str:
        await asyncio.sleep(probe.initial_delay)
        deadline = time.monotonic() + probe.period * probe.failure_threshold
        return "" if await self._first_success("startup", probe, deadline) else self.failure

    async def _watch_readiness(self, probe: Probe | None) -> None:
        if probe is None:
            self._set(True, "")
            await asyncio.Event().wait()
            return
        if not self.ready:
            await asyncio.sleep(probe.initial_delay)
            await self._first_success("readiness", probe, None)
            self._set(True, "")
        passed = failed = 0
        while True:
            await asyncio.sleep(probe.period)
            failure = await self._prober.failure(probe)
            passed, failed = (0, failed + 1) if failure else (passed + 1, 0)
            if failed >= probe.failure_threshold:
                self._set(False, f"readiness probe {failure}")
            elif passed >= probe.success_threshold:
                self._set(True, "")

    async def _watch_liveness(self, probe: Probe | None) -> str:
        if probe is None:
            await asyncio.Event().wait()
            return ""
        await asyncio.sleep(probe.initial_delay)
        failed = 0
        while True:
            await asyncio.sleep(probe.period)
            failure = await self._prober.failure(probe)
            failed = failed + 1 if failure else 0
            if failed >= probe.failure_threshold:
                return f"liveness probe {failure}"

    async def _first_success(self, name: str, probe: Probe, deadline: float | None) -> bool:
        pause, passed = FIRST_PAUSE, 0
        while True:
            failure = await self._prober.failure(probe)
            passed = 0 if failure else passed + 1
            if passed >= probe.success_threshold:
                return True
            if failure:
                self._set(False, f"{name} probe {failure}")
            if deadline is not None and time.monotonic() > deadline:
                return False
            await asyncio.sleep(pause)
            pause = min(pause * PAUSE_GROWTH, LONGEST_PAUSE)

    def _set(self, ready: bool, failure: str) -> None:
        if (ready, failure) != (self.ready, self.failure):
            self.ready, self.failure = ready, failure
            self._on_change()
