"""Composition root of the mesh process: settings in, running servers out. The only module that knows all the others.

Start: follow the store and load it whole, then serve xDS, then answer /readyz. Stop: the HTTP API, then the streams;
proxies keep what they have.
"""

from __future__ import annotations

import asyncio
import gc
import signal
import socket
import time

import structlog
import uvicorn

from mesh.api.app import create_app
from mesh.errors import Rejected
from mesh.model.nouns import written
from mesh.model.world import World
from mesh.serving.hub import Hub
from mesh.serving.streams import DiscoveryService, xds_server
from mesh.settings import Settings
from mesh.sources.store_redis import Change, RedisStore
from mesh.telemetry.points import Identity
from mesh.telemetry.receiver import Telemetry
from mesh.telemetry.shelf import RedisShelf

GRACE_SECONDS = 0.2
SWEEP_SECONDS = 5.0

log = structlog.get_logger("mesh")


async def serve(settings: Settings) -> None:
    """Run the control plane until it is told to stop (SIGINT, SIGTERM)."""
    api_socket = _listen(settings.mesh_host, settings.mesh_port)
    store = RedisStore(settings.redis_url)
    telemetry = Telemetry(RedisShelf(store.client), clock=time.time)
    hub = Hub(World(), lease=settings.weights_lease)
    loaded = asyncio.Event()

    async def reload() -> None:
        hub.apply(await store.load())
        loaded.set()

    def apply(change: Change) -> None:
        hub.apply(change.apply(hub.world))

    async with asyncio.TaskGroup() as tasks:
        background = [tasks.create_task(store.follow(apply, reload))]
        await loaded.wait()
        await telemetry.load()
        hub.translate_now()
        handlers = [DiscoveryService(hub).handler(), telemetry.handler()]
        grpc_server = xds_server(handlers, f"{settings.xds_host}:{settings.xds_port}")
        background += [
            tasks.create_task(work) for work in (hub.push_changes(), hub.keep_time(), _sweep(telemetry, hub))
        ]
        gc.collect()
        gc.freeze()  # the messages' classes live for ever; looking through them at each collection costs half of a push
        await grpc_server.start()
        log.info("serving", xds=settings.xds_port, http=settings.mesh_port, revision=hub.revision)
        app = create_app(hub, store, telemetry)
        config = uvicorn.Config(app, log_config=None, access_log=False, lifespan="off", timeout_graceful_shutdown=1)
        await _until_stopped(uvicorn.Server(config), api_socket)
        for task in background:
            task.cancel()
        await grpc_server.stop(GRACE_SECONDS)
        await store.close()


async def _sweep(telemetry: Telemetry, hub: Hub) -> None:
    """Run for ever: let telemetry forget versions that have neither replicas nor an intent."""
    while True:
        await asyncio.sleep(SWEEP_SECONDS)
        known = hub.world.versions()
        await telemetry.sweep({Identity(space, name, written(color), version) for space, name, color, version in known})


async def _until_stopped(server: uvicorn.Server, listener: socket.socket) -> None:
    """Serve until SIGINT or SIGTERM, past uvicorn's own handlers: they end the process with the streams open."""

    def stop() -> None:
        server.should_exit = True

    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop)
    await server._serve([listener])


def _listen(host: str, port: int) -> socket.socket:
    # The protocol is named because asyncio switches Nagle's algorithm off only then: else answers come 40 ms late.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise Rejected(
            f"cannot listen on {host}:{port} for the mesh's HTTP API: {error.strerror}",
            field="COLORLANE_MESH_PORT",
            value=port,
            remedy="stop what listens there, or set COLORLANE_MESH_PORT",
        ) from error
    return listener
