"""A real HTTP server around the Git host, and real Git as its client."""

from __future__ import annotations

import asyncio
import os
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import uvicorn
from starlette.types import ASGIApp

from delivery.api.githost import GitHost
from delivery.api.guard import Guard


class Server(uvicorn.Server):
    """uvicorn in a thread, on a free port of loopback."""

    def __init__(self, app: ASGIApp) -> None:
        super().__init__(uvicorn.Config(app, host="127.0.0.1", port=0, log_level="warning", lifespan="off"))
        self._up = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self.serve()), daemon=True)

    async def startup(self, sockets: list[object] | None = None) -> None:
        await super().startup(sockets)  # type: ignore[arg-type]  # uvicorn's own annotation is narrower than its callers
        self._up.set()

    @property
    def url(self) -> str:
        """Return the base URL."""
        return f"http://127.0.0.1:{self.servers[0].sockets[0].getsockname()[1]}"

    def __enter__(self) -> Server:
        self._thread.start()
        assert self._up.wait(10)
        return self

    def __exit__(self, *_: object) -> None:
        self.should_exit = True
        self._thread.join(10)


class Host:
    """The served repositories, and what the host was told of pushes."""

    def __init__(self, root: Path) -> None:
        self.root, self.pushed, self.lines = root, [], ["Colorlane: run 1 -> http://x/"]
        self.fail = False

    pushed: list[str]

    def create(self, project: str) -> Path:
        """Make a bare repository."""
        path = self.root / f"{project}.git"
        subprocess.run(["git", "init", "-q", "--bare", "-b", "main", path], check=True)
        return path

    def known(self, project: str) -> bool:
        return (self.root / f"{project}.git").is_dir() and project != "hidden"

    async def told(self, project: str) -> list[str]:
        self.pushed.append(project)
        if self.fail:
            raise RuntimeError("the database is away")
        return self.lines


@pytest.fixture
def host(tmp_path: Path) -> Host:
    root = tmp_path / "git"
    root.mkdir()
    made = Host(root)
    made.create("shop")
    return made


@pytest.fixture
def serve() -> Iterator[Callable[..., str]]:
    running: list[Server] = []

    def start(host: Host, token: str = "", idle: float = 60.0) -> str:
        server = Server(Guard(GitHost(host.root, host.known, host.told, idle), token))
        server.__enter__()
        running.append(server)
        return server.url

    yield start
    for server in running:
        server.__exit__()


@pytest.fixture
def git(tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run git with nothing of the user's configuration, in `work`."""
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_CONFIG_NOSYSTEM": "1",
        **{f"GIT_{who}_{what}": "a@b.example" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")},
    }

    def run(*argv: str, cwd: Path | None = None, check: bool = True) -> subprocess.CompletedProcess[str]:
        where = cwd or tmp_path
        done = subprocess.run(["git", *argv], cwd=where, env=environment, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0 or not check, done.stderr
        return done

    return run
