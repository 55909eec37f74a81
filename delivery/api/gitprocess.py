"""Git process: `git http-backend` as a CGI program, streamed both ways.

Neighbours: githost (which requests may come here).

Memory is bounded by the pipes: a chunk is read from one side only when the other has taken the last one.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Mapping

import structlog
from starlette.types import Receive

log = structlog.get_logger(__name__)

CHUNK = 65_536
STDERR_KEPT = 4_096


class GitProcess:
    """One request at `git http-backend`. Use as `async with GitProcess(env, receive) as git`.

    `idle` seconds without a byte in either direction end the process: a client that went away without a word,
    or a Git that hangs.
    """

    def __init__(self, environment: Mapping[str, str], receive: Receive, idle: float) -> None:
        self._environment, self._receive, self._idle = environment, receive, idle
        self._stderr = b""
        self._tasks: list[asyncio.Task[None]] = []
        self._process: Process | None = None

    async def __aenter__(self) -> GitProcess:
        self._process = await asyncio.create_subprocess_exec(
            "git",
            "http-backend",
            stdin=PIPE,
            stdout=PIPE,
            stderr=PIPE,
            env=dict(self._environment),
            start_new_session=True,
        )
        self._tasks = [asyncio.create_task(self._feed()), asyncio.create_task(self._listen())]
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._kill()
        await self.process.wait()
        if self._stderr or self.process.returncode:
            text = self._stderr.decode("utf-8", "replace").strip()
            log.warning("git.backend", returncode=self.process.returncode, stderr=text)

    @property
    def process(self) -> Process:
        """Return the running process."""
        assert self._process is not None, "used outside of its context"  # noqa: S101 - states the order of calls
        return self._process

    async def headers(self) -> dict[str, str]:
        """Return the CGI headers in lower case, among them `status`; empty when Git said nothing before it ended."""
        found: dict[str, str] = {}
        while line := await self._stdout_line():
            name, _, value = line.decode("latin-1").partition(":")
            found[name.strip().lower()] = value.strip()
        return found

    async def body(self) -> AsyncIterator[bytes]:
        """Yield what Git answers. Raises TimeoutError after `idle` seconds of silence."""
        assert self.process.stdout is not None  # noqa: S101 - a pipe was asked for
        while chunk := await asyncio.wait_for(self.process.stdout.read(CHUNK), self._idle):
            yield chunk

    async def _stdout_line(self) -> bytes:
        assert self.process.stdout is not None  # noqa: S101 - a pipe was asked for
        return (await asyncio.wait_for(self.process.stdout.readline(), self._idle)).strip()

    async def _feed(self) -> None:
        """Give Git the request's body; when the client goes away, end Git."""
        stdin = self.process.stdin
        assert stdin is not None  # noqa: S101 - a pipe was asked for
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            while (message := await asyncio.wait_for(self._receive(), self._idle))["type"] == "http.request":
                if body := message.get("body", b""):
                    stdin.write(body)
                    await stdin.drain()
                if not message.get("more_body", False):
                    stdin.close()
                    await self._watch_client()
        self._kill()

    async def _watch_client(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass

    async def _listen(self) -> None:
        """Keep the end of what Git complains about."""
        assert self.process.stderr is not None  # noqa: S101 - a pipe was asked for
        while chunk := await self.process.stderr.read(CHUNK):
            self._stderr = (self._stderr + chunk)[-STDERR_KEPT:]

    def _kill(self) -> None:
        """End Git and its children; they form a process group of their own."""
        if self.process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGTERM)
