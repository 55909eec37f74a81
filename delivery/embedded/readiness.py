"""Asking a process of the stack whether it is ready. Neighbours: description (what to ask), supervisor (when)."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

from delivery.embedded.description import Readiness
from delivery.embedded.redis_server import read_password
from delivery.processes.logfiles import tail_lines
from delivery.processes.process import Process
from mesh.sidecar import ready as envoy_ready

TIMEOUT = 1.0


class LogMark:
    """A place in a log file: only what comes after it counts."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._start = path.stat().st_size if path.exists() else 0

    def text(self) -> str:
        """Return what was written since, at most the last megabyte."""
        try:
            with open(self.path, "rb") as file:
                size = file.seek(0, 2)
                start = self._start if size >= self._start else 0  # it was truncated under us
                file.seek(max(start, size - 1_000_000))
                return file.read().decode("utf-8", errors="replace")
        except FileNotFoundError:
            return ""


async def is_ready(readiness: Readiness, process: Process, log: LogMark) -> bool:
    """Tell whether the process is ready now."""
    if readiness.kind == "redis":
        return await _answers_ping(readiness.port, read_password(Path(readiness.path)))
    if readiness.kind == "http":
        return await _answers_get(readiness.port, readiness.path)
    if readiness.kind == "envoy":
        return await asyncio.to_thread(envoy_ready, readiness.port, ports=[readiness.listens], timeout=TIMEOUT)
    if readiness.kind == "pid":
        return _names(Path(readiness.path), process.pid)
    return readiness.text in log.text()


async def _answers_ping(port: int, password: str) -> bool:
    """Ask after signing in: to a stranger Redis says the same while it loads and when it is ready."""
    sign_in = f"AUTH {password}\r\n".encode() if password else b""
    answer = await _first_line(port, sign_in + b"PING\r\n", skip=1 if password else 0)
    return answer.startswith(b"+PONG")


async def _answers_get(port: int, path: str) -> bool:
    """Ask with a bare request: a client of a library costs a hundred times as much, thirty times a second."""
    request = f"GET {path} HTTP/1.0\r\nHost: 127.0.0.1:{port}\r\n\r\n".encode()
    first = await _first_line(port, request)
    return first.split(b" ", 2)[1:2] == [b"200"]


async def _first_line(port: int, request: bytes, skip: int = 0) -> bytes:
    """Return the first line of the answer after `skip` others, b"" when there is none in time."""
    try:
        async with asyncio.timeout(TIMEOUT):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            try:
                writer.write(request)
                for _ in range(skip):
                    await reader.readline()
                return await reader.readline()
            finally:
                writer.close()
    except (OSError, TimeoutError, ValueError):
        return b""


def _names(file: Path, pid: int) -> bool:
    try:
        return bool(json.loads(file.read_text(encoding="utf-8"))["pid"] == pid)
    except (OSError, ValueError, KeyError):
        return False


def last_words(log: Path, count: int = 15) -> str:
    """Return the end of a log for an error message."""
    lines = tail_lines(log, count)
    return "\n".join(f"  {line}" for line in lines) if lines else "  (it printed nothing)"
