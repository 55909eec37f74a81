"""A small stack of real processes for tests: two Python HTTP servers, and a `main` that runs until it is killed."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator
from pathlib import Path

from delivery.embedded.description import Description, Readiness
from delivery.embedded.leftovers import alone, end_leftovers
from delivery.embedded.supervisor import Supervisor


def server(name: str, port: int, *needs: str, prelude: str = "pass") -> Description:
    """Return a process that serves HTTP on the port, after the prelude and when those it needs are ready."""
    serve = f"h.ThreadingHTTPServer(('127.0.0.1', {port}), h.SimpleHTTPRequestHandler).serve_forever()"
    code = f"{prelude}\nimport http.server as h\n{serve}"
    readiness = Readiness("http", port=port, path="/", deadline=20)
    return Description(name, (sys.executable, "-u", "-c", code), readiness, len(needs), needs, grace=2)


def free_ports(count: int) -> list[int]:
    """Return ports that are free now."""
    with contextlib.ExitStack() as held:
        sockets = [held.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        return [each.getsockname()[1] for each in sockets]


@contextlib.asynccontextmanager
async def running(state_dir: Path, *descriptions: Description) -> AsyncIterator[tuple[Supervisor, list[str]]]:
    """Run a supervisor; yields it with the lines of progress."""
    progress: list[str] = []
    supervisor = Supervisor(state_dir, descriptions, dict(os.environ))
    try:
        await supervisor.start(progress.append)
        yield supervisor, progress
    finally:
        await supervisor.stop()


async def main(state_dir: Path, ports: list[int]) -> None:
    """Do what `up` does with two servers, one of which ends slowly, until killed."""
    stubborn = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)"
    with alone(state_dir):
        print("ended:", *await end_leftovers(state_dir, grace=0.5), flush=True)
        async with running(
            state_dir, server("first", ports[0], prelude=stubborn), server("second", ports[1], "first")
        ) as (
            _,
            progress,
        ):
            print(*progress, flush=True)
            await asyncio.get_running_loop().run_in_executor(None, signal.pause)


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), [int(port) for port in sys.argv[2:]]))
