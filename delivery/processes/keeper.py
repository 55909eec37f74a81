"""Keeps one program running: starts it, sees its end, starts it again after a back-off, until told to stop.

Neighbours: process, backoff. Users: platform_local.replica (applications, sidecars), embedded (the stack).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass

from delivery.processes.backoff import Backoff
from delivery.processes.process import Exit, Process, kill_session


@dataclass(frozen=True)
class LastEnd:
    """The last end of the program: how, and after how many seconds; or why it could not be started."""

    exit: Exit | None = None
    ran_for: float = 0.0
    problem: str = ""

    def describe(self) -> str:
        """Return words for people: "exited with code 1 after 0.2 s"."""
        if self.exit is None:
            return f"cannot be started: {self.problem}"
        return f"{self.exit.describe()} after {self.ran_for:.1f} s"


class Keeper:
    """`launch` starts the program and may raise OSError; `on_change` is called after every start and end.

    `restarts` counts starts after the first, `failures` ends in a row that came soon after their start.
    """

    def __init__(self, launch: Callable[[], Process], backoff: Backoff, on_change: Callable[[], None]) -> None:
        self._launch, self._backoff, self._on_change = launch, backoff, on_change
        self.process: Process | None = None
        self.restarts = 0
        self.failures = 0
        self.last_end: LastEnd | None = None
        self._started = time.monotonic()
        self._stopping = False
        self._runner: asyncio.Task[None] | None = None

    @property
    def recent_failures(self) -> int:
        """Return the failures in a row, 0 once the program has run long enough to be forgiven."""
        forgiven = self.process is not None and self._backoff.count(1, time.monotonic() - self._started) == 1
        return 0 if forgiven else self.failures

    def start(self, adopted: Process | None = None) -> None:
        """Begin, with a process that runs already or with a new one."""
        self.process = adopted
        self._runner = asyncio.create_task(self._run())

    async def restart(self, grace: float) -> None:
        """End the process; it is started again like after any end."""
        if self.process is not None:
            await self.process.stop(grace)

    async def stop(self, grace: float) -> None:
        """End the process and do not start it again."""
        self._stopping = True
        if self.process is not None:
            await self.process.stop(grace)
        await self.abandon()
        self.process = None

    async def abandon(self) -> None:
        """Stop looking after the process, which may run on."""
        self._stopping = True
        if self._runner is not None:
            self._runner.cancel()
            await asyncio.wait({self._runner})

    async def _run(self) -> None:
        while not self._stopping:
            self._started = time.monotonic()
            if self.process is None:
                self._try_launch()
            if self.process is not None:
                self._on_change()
                process = self.process
                end = await process.wait()
                await kill_session(process.identity)  # children it left behind would hold its ports
                self.process = None
                self.last_end = LastEnd(end, time.monotonic() - self._started)
            self.failures = self._backoff.count(self.failures, time.monotonic() - self._started)
            self._on_change()
            if self._stopping:
                return
            await asyncio.sleep(self._backoff.delay(self.failures))
            self.restarts += 1

    def _try_launch(self) -> None:
        try:
            self.process = self._launch()
        except OSError as error:
            self.last_end = LastEnd(problem=str(error))
