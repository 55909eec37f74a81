"""Starts the described processes, keeps them running, stops them stage by stage. Runs on one event loop.

The thread of that loop must live as long as the processes: they end with it (PR_SET_PDEATHSIG), so that a killed
`up` leaves nothing behind. Neighbours: description, readiness, stack (gives the thread).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from itertools import groupby
from pathlib import Path

import structlog
from structlog.typing import Processor

from delivery.embedded.description import Description
from delivery.embedded.leftovers import MARK, mark
from delivery.embedded.readiness import LogMark, is_ready, last_words
from delivery.errors import Transient
from delivery.processes.backoff import Backoff
from delivery.processes.keeper import Keeper
from delivery.processes.logfiles import cap_log
from delivery.processes.process import Process, spawn
from delivery.processes.records import ProcessRecord, delete_record, save_record

BACKOFF = Backoff(first=0.05, factor=2, ceiling=5, forgiven_after=10)
LOOK = 0.03  # seconds between questions whether a process is ready
CHORES = 5.0  # seconds between looks at the sizes of logs
TRIES = 3  # ends in a row during the start after which it is given up

LOG_STEPS: list[Processor] = [
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    structlog.processors.JSONRenderer(),
]

Progress = Callable[[str], None]


class Supervisor:
    """Runs one stack. `env` is the environment of every process, secrets included: it is never logged.

    Its own log is a file beside the processes' logs: the standard output belongs to the command that runs it.
    """

    def __init__(self, state_dir: Path, descriptions: Sequence[Description], env: Mapping[str, str]) -> None:
        self._state_dir, self._env = state_dir, env
        self._descriptions = {each.name: each for each in descriptions}
        self._keepers: dict[str, Keeper] = {}
        self._chores: asyncio.Task[None] | None = None
        self._log_file = self._log("up")
        self._log_file.parent.mkdir(parents=True, exist_ok=True)

    async def start(self, progress: Progress) -> None:
        """Start everything. Raises Transient with the end of the log of a process that does not get ready."""
        self._chores = asyncio.create_task(self._cap_logs())
        ready = {name: asyncio.Event() for name in self._descriptions}
        async with asyncio.TaskGroup() as starting:
            for description in self._descriptions.values():
                starting.create_task(self._start(description, ready, progress))

    async def stop(self) -> None:
        """Stop everything, the highest stage first."""
        if self._chores is not None:
            self._chores.cancel()
        started = [each for each in self._descriptions.values() if each.name in self._keepers]
        started.sort(key=lambda each: each.stage, reverse=True)
        for _, stage in groupby(started, key=lambda each: each.stage):
            await asyncio.gather(*(self._stop(description) for description in stage))

    def process_of(self, name: str) -> Process | None:
        """Return the running process of that name; None between its end and its next start."""
        keeper = self._keepers.get(name)
        return keeper.process if keeper is not None else None

    def restarts_of(self, name: str) -> int:
        """Return how often a process was started again."""
        return self._keepers[name].restarts

    async def _start(self, description: Description, ready: Mapping[str, asyncio.Event], progress: Progress) -> None:
        for need in description.needs:
            if need in ready:  # Redis may be somebody else's
                await ready[need].wait()
        name, began = description.name, time.monotonic()
        place = LogMark(self._log(name))
        keeper = Keeper(lambda: self._launch(description), BACKOFF, lambda: self._note(name))
        self._keepers[name] = keeper
        keeper.start()
        while not await self._ready(description, keeper, place):
            waited = time.monotonic() - began
            if keeper.failures >= TRIES or waited > description.readiness.deadline:
                raise Transient(self._failure(description, keeper, waited))
            await asyncio.sleep(LOOK)
        took = time.monotonic() - began
        self._say("process.ready", process=name, seconds=round(took, 3))
        progress(f"{name} is ready ({took:.1f} s)")
        ready[name].set()

    async def _ready(self, description: Description, keeper: Keeper, place: LogMark) -> bool:
        process = keeper.process
        return process is not None and await is_ready(description.readiness, process, place)

    def _failure(self, description: Description, keeper: Keeper, waited: float) -> str:
        end = keeper.last_end
        what = end.describe() if end is not None else f"is not ready after {waited:.0f} s"
        path = self._log(description.name)
        return f"{description.name} {what}; the end of {path}:\n{last_words(path)}"

    async def _stop(self, description: Description) -> None:
        await self._keepers[description.name].stop(description.grace)
        delete_record(self._records, description.name)
        self._say("process.stopped", process=description.name)

    def _launch(self, description: Description) -> Process:
        env = {**self._env, **description.env, MARK: mark(self._state_dir, description.name)}
        process = spawn(
            description.argv,
            cwd=self._state_dir,
            env=env,
            log=self._log(description.name),
            end_with_parent=description.end_signal,
        )
        save_record(self._records, ProcessRecord(description.name, process.identity, description.argv))
        return process

    def _note(self, name: str) -> None:
        keeper = self._keepers[name]
        if keeper.process is None and keeper.last_end is not None:
            self._say("process.ended", process=name, how=keeper.last_end.describe(), restarts=keeper.restarts)

    @property
    def _records(self) -> Path:
        return self._state_dir / "processes"

    def _log(self, name: str) -> Path:
        return self._state_dir / "logs" / "processes" / f"{name}.log"

    def _say(self, event: str, **facts: object) -> None:
        with open(self._log_file, "a", encoding="utf-8") as file:
            structlog.wrap_logger(structlog.WriteLogger(file), LOG_STEPS).info(event, **facts)

    async def _cap_logs(self) -> None:
        while True:
            for name in (*self._descriptions, "up"):
                await asyncio.to_thread(cap_log, self._log(name))
            await asyncio.sleep(CHORES)
