"""Shells: a terminal in a replica, over a WebSocket. Off until COLORLANE_SHELL_TOKEN is set, which alone opens one.

Bytes are keystrokes and output; text is JSON: {"resize": [columns, rows]} comes in, {"exit": code} goes out. Opening
and closing stand in the trail. Neighbours: guard (lets nobody in without the token), ports.platform.
"""

from __future__ import annotations

import asyncio
import json
import shlex
import time
from functools import partial
from typing import Annotated, cast

import structlog
from anyio import CapacityLimiter, to_thread
from fastapi import APIRouter, Path, Query, WebSocket
from starlette.concurrency import run_in_threadpool
from starlette.websockets import WebSocketDisconnect, WebSocketState

from delivery.api.context import Context
from delivery.api.environments import find
from delivery.environments import Environment
from delivery.errors import ColorlaneError
from delivery.flows.operate_workload import workload_of
from delivery.flows.world import World
from delivery.ports.platform import Shell
from delivery.workloads import WorkloadKey

log = structlog.get_logger(__name__)

router = APIRouter(prefix="/environments/{project}/{name}/services/{service}")

LOOK = 0.25  # seconds a thread waits for output before it looks whether the caller has gone
IDLE = 1800.0  # seconds without a keystroke after which a forgotten shell ends
SAID = 300  # characters of the command that stand in the trail
REFUSED = 4400  # a WebSocket close code for applications (RFC 6455, 7.4.2)

Name = Annotated[str, Path(max_length=63)]


@router.websocket("/shell")
async def shell(
    socket: WebSocket,
    project: Name,
    name: Name,
    service: Name,
    command: Annotated[list[str] | None, Query(max_length=100)] = None,
    replica: Annotated[str, Query(max_length=253)] = "",
    version: Annotated[str, Query(max_length=63)] = "",
    by: Annotated[str, Query(max_length=200)] = "",
) -> None:
    """Open a terminal; what cannot be opened is said in the reason of the closing frame."""
    world = cast(Context, socket.app.state.context).world
    await socket.accept()
    try:
        environment, key = await run_in_threadpool(_place, world, project, name, service, version)
        terminal = await run_in_threadpool(world.platform.shell, key, replica, command or ["sh"])
    except ColorlaneError as error:
        await socket.close(REFUSED, str(error).encode()[:120].decode(errors="ignore"))
        return
    began = time.monotonic()
    told = f"a shell was opened in {replica or 'a replica'}: {shlex.join(command or ['sh'])[:SAID]}"
    try:
        await run_in_threadpool(_tell, world, environment, key, by, told)  # first: what cannot be told is not done
        await _converse(socket, terminal)
    finally:
        code = await asyncio.shield(run_in_threadpool(terminal.close))
        text = f"the shell was closed after {time.monotonic() - began:.0f} s"
        await asyncio.shield(run_in_threadpool(_tell, world, environment, key, by, text))
    if socket.client_state is WebSocketState.CONNECTED:
        await socket.send_text(json.dumps({"exit": code}))
        await socket.close()


async def _converse(socket: WebSocket, terminal: Shell) -> None:
    """Pass both ways until either side ends. Its threads are its own: open shells leave the API's to the API."""
    threads = CapacityLimiter(2)
    tasks = {
        asyncio.create_task(_speak(socket, terminal, threads)),
        asyncio.create_task(_hear(socket, terminal, threads)),
    }
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        for outcome in await asyncio.gather(*tasks, return_exceptions=True):
            if isinstance(outcome, Exception) and not isinstance(outcome, WebSocketDisconnect):
                log.warning("shell.broken", reason=repr(outcome))


async def _speak(socket: WebSocket, terminal: Shell, threads: CapacityLimiter) -> None:
    while (output := await to_thread.run_sync(terminal.read, LOOK, limiter=threads)) is not None:
        if output:
            await socket.send_bytes(output)


async def _hear(socket: WebSocket, terminal: Shell, threads: CapacityLimiter) -> None:
    while True:
        message = await asyncio.wait_for(socket.receive(), IDLE)
        if message["type"] == "websocket.disconnect":
            return
        if message.get("bytes"):
            await to_thread.run_sync(terminal.write, message["bytes"], limiter=threads)
        elif size := _size(message.get("text") or ""):
            await to_thread.run_sync(partial(terminal.resize, *size), limiter=threads)


def _size(text: str) -> tuple[int, int] | None:
    """Return columns and rows; None for anything else that was said."""
    try:
        columns, rows = (int(each) for each in json.loads(text)["resize"])
    except (ValueError, TypeError, KeyError):
        return None
    return (columns, rows) if 0 < columns < 10_000 and 0 < rows < 10_000 else None


def _place(world: World, project: str, name: str, service: str, version: str) -> tuple[Environment, WorkloadKey]:
    environment = find(world, name, project)
    return environment, workload_of(world, environment, service, version)


def _tell(world: World, environment: Environment, key: WorkloadKey, by: str, text: str) -> None:
    subject = f"environment/{environment.id}"
    line = f"{key.service} {key.version}: {text}"
    world.tell(environment.project, subject, "workload.shell", line, by, service=key.service, version=key.version)
