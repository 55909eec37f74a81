"""The whole embedded stack as one object: start, wait, stop, and reach into it. Used by `up`, demo, tests, benchmarks.

Neighbours: supervisor (does the work on an event loop in a thread of its own), description, settings.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import queue
import signal
import threading
from collections.abc import Coroutine
from concurrent.futures import Future
from typing import Any, TypeVar

from delivery.embedded.addresses import check_free, remembered_port
from delivery.embedded.description import Layout, describe
from delivery.embedded.gateway import write_bootstrap
from delivery.embedded.leftovers import alone, end_leftovers
from delivery.embedded.redis_server import find_redis_server, remembered_password
from delivery.embedded.supervisor import Progress, Supervisor
from delivery.errors import NotFound
from delivery.processes.ports import LOOPBACK, PortPool
from delivery.settings import Settings

T = TypeVar("T")


class Stack:
    """`Stack(settings)`, `start`, `wait`, `stop`. A stack is started once; `stop` may be called at any time, twice too.

    Redis is started unless `redis_url` was given (by COLORLANE_REDIS_URL or in the settings).
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.state_dir = settings.state_dir.resolve()
        self._supervisor: Supervisor | None = None
        self._held = contextlib.ExitStack()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._starting: Future[None] | None = None
        self._stopped = threading.Event()

    def start(self, on_progress: Progress) -> None:
        """Start everything and return when all is ready; `on_progress` gets a line for each step, in this thread.

        Raises Conflict (a second `up` on this state), Rejected (a port is taken, no Redis; names the setting) and
        Transient (a process does not get ready; with the end of its log).
        """
        self._held.enter_context(alone(self.state_dir))
        self._start_loop()
        steps: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        future = self._starting = self._submit(self._raise(steps.put))
        future.add_done_callback(lambda _: steps.put(None))
        while (step := steps.get()) is not None:
            on_progress(step)
        future.result()

    def wait(self) -> None:
        """Return when the stack has been stopped."""
        self._stopped.wait()

    def stop(self) -> None:
        """Stop everything in reverse order. The state stays."""
        loop, thread = self._loop, self._thread
        self._loop = None
        try:
            if loop is not None and thread is not None:
                if self._starting is not None:
                    self._starting.cancel()
                if self._supervisor is not None:
                    asyncio.run_coroutine_threadsafe(self._supervisor.stop(), loop).result()
                loop.call_soon_threadsafe(loop.stop)
                thread.join()
        finally:
            self._held.close()
            self._stopped.set()

    def pid_of(self, name: str) -> int | None:
        """Return the pid of a process by name (`mesh`, `api`, ...), None while it is being started again."""
        process = self._running().process_of(name)
        return process.pid if process is not None else None

    def kill(self, name: str, number: int = signal.SIGKILL) -> None:
        """Send a signal to one process. Raises NotFound when it does not run now."""
        pid = self.pid_of(name)
        if pid is None:
            raise NotFound(f"no process {name!r} runs", field="name", value=name, remedy="wait until it is back")
        os.kill(pid, number)

    def _running(self) -> Supervisor:
        if self._supervisor is None:
            raise NotFound("the stack is not running", field="stack", remedy="start it first")
        return self._supervisor

    async def _raise(self, progress: Progress) -> None:
        left = await end_leftovers(self.state_dir)
        if left:
            progress(f"ended what an earlier run left behind: {', '.join(left)}")
        layout, redis_url = self.lay_out()
        self._supervisor = Supervisor(self.state_dir, describe(layout), self.environment(redis_url))
        try:
            await self._supervisor.start(progress)
        except BaseExceptionGroup as group:
            raise _first(group) from None

    def lay_out(self) -> tuple[Layout, str]:
        """Choose ports and write what processes read at their start; return that and the URL of Redis.

        Raises Rejected for a taken port or a missing redis-server.
        """
        settings = self.settings
        check_free(
            {
                "COLORLANE_API_PORT": (settings.api_host, settings.api_port),
                "COLORLANE_GATEWAY_PORT": (settings.gateway_host, settings.gateway_port),
                "COLORLANE_XDS_PORT": (LOOPBACK, settings.xds_port),
                "COLORLANE_MESH_PORT": (LOOPBACK, settings.mesh_port),
            }
        )
        own_redis = "redis_url" not in settings.model_fields_set
        program = find_redis_server(os.environ.get("PATH", "")) if own_redis else ""
        memory, pool = self.state_dir / "ports.json", PortPool()
        redis_port = remembered_port(memory, "redis", pool) if own_redis else 0
        layout = Layout(
            state_dir=self.state_dir,
            api_host=settings.api_host,
            api_port=settings.api_port,
            gateway_port=settings.gateway_port,
            gateway_admin=remembered_port(memory, "gateway-admin", pool),
            mesh_port=settings.mesh_port,
            redis_port=redis_port,
            redis_program=program,
        )
        write_bootstrap(settings, layout.gateway_bootstrap, layout.gateway_admin)
        if not own_redis:
            return layout, settings.redis_url
        password = remembered_password(layout.redis_config.parent)
        return layout, f"redis://:{password}@{LOOPBACK}:{redis_port}/0"

    def environment(self, redis_url: str) -> dict[str, str]:
        """Return the environment of all processes: ours, and every setting as it stands here."""
        env = {**os.environ, "PYTHONUNBUFFERED": "1"}
        for name in type(self.settings).model_fields:
            env[f"COLORLANE_{name.upper()}"] = str(getattr(self.settings, name))
        env |= {"COLORLANE_STATE_DIR": str(self.state_dir), "COLORLANE_REDIS_URL": redis_url}
        return env

    def _start_loop(self) -> None:
        loop = asyncio.new_event_loop()
        self._loop = loop
        self._thread = threading.Thread(target=loop.run_forever, name="colorlane-up", daemon=True)
        self._thread.start()

    def _submit(self, work: Coroutine[Any, Any, T]) -> Future[T]:
        if self._loop is None:
            raise NotFound("the stack is not running", field="stack", remedy="start it first")
        return asyncio.run_coroutine_threadsafe(work, self._loop)


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """Return the first plain exception of a group: people read one problem at a time."""
    first = group.exceptions[0]
    return _first(first) if isinstance(first, BaseExceptionGroup) else first
