"""Background processes of tests: Redis, the mesh, workers; started on free ports, killed at the end."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

import httpx
import redis

from delivery.embedded.redis_server import find_redis_server

T = TypeVar("T")


def free_port() -> int:
    """Return a port that is free now."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def wait_for(what: str, look: Callable[[], T | None], seconds: float = 30.0) -> T:
    """Return the first true thing `look` gives."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if found := look():
            return found
        time.sleep(0.05)
    raise AssertionError(f"waited {seconds:.0f} s for {what}")


class Background:
    """One process in a group of its own; its output goes to a file."""

    def __init__(self, log: Path, *argv: str, env: Mapping[str, str] | None = None) -> None:
        self.log, self.argv, self.env = log, argv, {**os.environ, **(env or {})}
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                self.argv, env=self.env, stdout=log, stderr=log, stdin=subprocess.DEVNULL, start_new_session=True
            )

    def kill(self) -> None:
        """SIGKILL to it and what it started."""
        if self.process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait(10)


@contextlib.contextmanager
def running_redis(folder: Path) -> Iterator[str]:
    """Yield the URL of a Redis of its own."""
    folder.mkdir(parents=True, exist_ok=True)
    port = free_port()
    server = find_redis_server(os.environ.get("PATH", ""))
    argv = (server, "--port", str(port), "--bind", "127.0.0.1", "--dir", str(folder), "--save", "")
    process = Background(folder / "redis.log", *argv)
    process.start()
    client = redis.Redis(port=port)

    def answers() -> Any:
        with contextlib.suppress(redis.ConnectionError):
            return client.ping()

    try:
        wait_for("redis", answers)
        yield f"redis://127.0.0.1:{port}/0"
    finally:
        client.close()
        process.kill()


@contextlib.contextmanager
def running_mesh(folder: Path) -> Iterator[str]:
    """Yield the URL of a mesh with a Redis of its own."""
    port = free_port()
    with running_redis(folder / "redis") as redis_url:
        env = {
            "COLORLANE_REDIS_URL": redis_url,
            "COLORLANE_MESH_PORT": str(port),
            "COLORLANE_XDS_PORT": str(free_port()),
        }
        process = Background(folder / "mesh.log", sys.executable, "-m", "mesh", env=env)
        process.start()
        url = f"http://127.0.0.1:{port}"

        def ready() -> bool:
            with contextlib.suppress(httpx.TransportError):
                return httpx.get(f"{url}/readyz", trust_env=False).status_code == 200
            return False

        try:
            wait_for("the mesh", ready)
            yield url
        finally:
            process.kill()
