"""Logs: a run's output as plain text, from an offset on, and further while it is written. Neighbours: runs routes.

Logs are files that workers append to; reading never holds more than a chunk, so a log of 100 MB costs no more
than a small one.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

from starlette.concurrency import run_in_threadpool

from delivery.flows.world import World
from pipelines.runs import JOB_ENDED, RUN_ENDED, Job

CHUNK = 65_536
LINE_CAP = 16_384  # a "line" longer than this is passed on in parts


@dataclass
class Tail:
    """Where the reading of one log file stands. `prefix` goes before each line; "" passes bytes as they are."""

    path: Path
    offset: int = 0
    prefix: str = ""
    rest: bytes = b""

    def read(self) -> bytes:
        """Return the next piece, b"" at the end of what is written so far."""
        try:
            with self.path.open("rb") as file:
                file.seek(self.offset)
                data = file.read(CHUNK)
        except FileNotFoundError:
            return b""
        self.offset += len(data)
        return self._prefixed(data) if self.prefix else data

    def flush(self) -> bytes:
        """Return an unfinished last line."""
        rest, self.rest = self.rest, b""
        return self.prefix.encode() + rest + b"\n" if rest else b""

    def _prefixed(self, data: bytes) -> bytes:
        """Return whole lines only, so that lines of several logs can be mixed."""
        *lines, self.rest = (self.rest + data).split(b"\n")
        if len(self.rest) > LINE_CAP:
            lines.append(self.rest)
            self.rest = b""
        return b"".join(self.prefix.encode() + line + b"\n" for line in lines)


def log_path(root: Path, job: Job) -> Path | None:
    """Return the job's log file; None when it has none, or one outside of the log directory."""
    path = (root / job.log).resolve()
    return path if job.log and path.is_relative_to(root.resolve()) else None


def start_of(path: Path, wanted: int) -> int:
    """Return the offset to begin at; a negative one counts from the end, as with `tail -c`."""
    if wanted >= 0:
        return wanted
    return max(0, path.stat().st_size + wanted) if path.exists() else 0


async def run_log(world: World, run: str, service: str, start: int, follow: bool, poll: float) -> AsyncIterator[bytes]:
    """Yield the logs of a run's jobs: of one service as written, of all with `<service> | ` before each line."""
    tails: dict[str, Tail] = {}
    while True:
        ended, jobs = await run_in_threadpool(_state, world, run, service)
        for job in jobs:
            path = log_path(world.logs, job)
            if path and job.id not in tails:
                tails[job.id] = Tail(path, start_of(path, start), "" if service else f"{job.service} | ")
        moved = False
        for tail in tails.values():
            while data := await run_in_threadpool(tail.read):
                moved = True
                yield data
        if ended or not follow:
            break
        if not moved:
            await asyncio.sleep(poll)
    for tail in tails.values():
        if rest := tail.flush():
            yield rest


def _state(world: World, run: str, service: str) -> tuple[bool, list[Job]]:
    """Return whether nothing more will be written, and the jobs. Read before the logs, so that their end is seen."""
    row = world.store.runs.get(run)
    jobs = [job for job in world.store.jobs.find(run=run) if service in ("", job.service)]
    writing = any(job.state not in JOB_ENDED for job in jobs)
    settled = row.state in RUN_ENDED or row.state == "deploying"
    return settled and not writing, jobs
