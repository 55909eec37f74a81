"""Composition root of the mesh process: settings in, running servers out. The only module that knows all the others.

Start: follow the store and load it whole, join the other replicas, then serve xDS, then answer /readyz. Stop: not ready
any more, the streams end one after the other while proxies move to other replicas, then the HTTP API; proxies keep what
they have.
"""

from __future__ import annotations

import asyncio
import gc
import signal
import socket
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import structlog
import uvicorn

from mesh.api.app import Doors, create_app
from mesh.api.guard import check_bind
from mesh.api.opening import Opening
from mesh.errors import Rejected, Transient
from mesh.membership import Membership, new_name
from mesh.model.nouns import written
from mesh.model.pods import REGISTRY_NODE
from mesh.model.world import World
from mesh.policy.callers import Places
from mesh.serving.fleet import Fleet
from mesh.serving.hub import Hub
from mesh.serving.peers import HttpPeers
from mesh.serving.streams import DiscoveryService, xds_server
from mesh.settings import Settings
from mesh.sources.replicas import LEADER, RedisReplicas
from mesh.sources.store_redis import Change, RedisStore
from mesh.telemetry.points import Identity
from mesh.telemetry.receiver import Telemetry
from mesh.telemetry.shared import SharedTelemetry
from mesh.telemetry.shelf import RedisShelf

if TYPE_CHECKING:
    from mesh.following import Cluster

GRACE_SECONDS = 0.2
SWEEP_SECONDS = 5.0
NOTICE_SECONDS = 2.0
"""Of the time to drain: so long new connections still come, until the Service has heard that we are not ready."""

log = structlog.get_logger("mesh")


@dataclass
class Parts:
    """What a running mesh consists of. `membership` is None where this replica is the only one."""

    settings: Settings
    store: RedisStore
    hub: Hub
    fleet: Fleet
    counts: Telemetry
    telemetry: Telemetry | SharedTelemetry
    doors: Doors
    discovery: DiscoveryService
    membership: Membership | None = None
    cluster: Cluster | None = None
    loaded: asyncio.Event = field(default_factory=asyncio.Event)
    running: list[asyncio.Task[None]] = field(default_factory=list)

    def background(self) -> list[Coroutine[Any, Any, None]]:
        """What runs as long as the mesh does."""
        work = [self.hub.push_changes(), self.hub.keep_time(), _sweep(self.counts, self.hub)]
        if self.membership is not None:
            work.append(self.membership.keep())
        if isinstance(self.telemetry, SharedTelemetry):
            work.append(self.telemetry.pass_on())
        return work


async def serve(settings: Settings) -> None:
    """Run the control plane until it is told to stop (SIGINT, SIGTERM)."""
    check_bind(settings.mesh_host, settings.mesh_token)
    api_socket = _listen(settings.mesh_host, settings.mesh_port)
    parts, servers = _parts(settings), list[Any]()
    opening = Opening(lambda: _waiting_for(parts))
    config = uvicorn.Config(opening, log_config=None, access_log=False, lifespan="off", timeout_graceful_shutdown=1)
    async with asyncio.TaskGroup() as tasks:
        background = [tasks.create_task(_start(parts, opening, servers, tasks))]
        await _until_stopped(uvicorn.Server(config), api_socket, lambda: _drain(parts, servers))
        for task in (*background, *parts.running):
            task.cancel()
        for server in servers:
            await server.stop(GRACE_SECONDS)
        await parts.fleet.close()
        await parts.store.close()


async def _start(parts: Parts, opening: Opening, servers: list[Any], tasks: asyncio.TaskGroup) -> None:
    """Load all sources, then serve xDS, then open the HTTP API."""
    settings, hub = parts.settings, parts.hub
    authority = await _authority(settings, tasks, parts.running)
    if settings.webhook_port:  # before all else: new pods of the whole cluster wait for it
        await _admit(parts, authority, tasks)
    await _load(parts, tasks)
    if parts.membership is None:
        await parts.counts.load()
    else:
        await parts.membership.join()
    hub.translate_now()
    grpc_server = xds_server(
        [parts.discovery.handler(), parts.telemetry.handler()],
        f"{settings.xds_host}:{settings.xds_port}",
        credentials=_credentials(settings, authority),
        age=settings.xds_connection_age,
    )
    parts.running += [tasks.create_task(work) for work in parts.background()]
    gc.collect()
    gc.freeze()  # the messages' classes live for ever; looking through them at each collection costs half of a push
    await grpc_server.start()
    servers.append(grpc_server)
    if parts.cluster is not None:
        parts.cluster.is_serving = True
    log.info("serving", xds=settings.xds_port, http=settings.mesh_port, revision=hub.revision, name=parts.fleet.name)
    opening.app = create_app(hub, parts.store, parts.telemetry, parts.fleet, parts.doors)


async def _load(parts: Parts, tasks: asyncio.TaskGroup) -> None:
    """Follow the store and the registry; return when both are loaded whole."""
    hub, store, cluster, loaded = parts.hub, parts.store, parts.cluster, parts.loaded

    async def reload() -> None:
        world = await store.load()
        hub.apply(world.keeping_endpoints(hub.world, REGISTRY_NODE) if cluster else world, store.position)
        loaded.set()

    def apply(change: Change) -> None:
        hub.apply(change.apply(hub.world), store.position)

    parts.running.append(tasks.create_task(store.follow(apply, reload)))
    await loaded.wait()
    if cluster is not None:
        parts.doors.registry = lambda: cluster.registry.view(time.monotonic())
        parts.running.append(tasks.create_task(cluster.registry.run()))
        await cluster.registry.wait_synced()
        parts.running.append(tasks.create_task(cluster.gateway_api.run()))
        await cluster.gateway_api.wait_exposed()


def _waiting_for(parts: Parts) -> list[str]:
    """What a mesh that is not ready waits for, in words for people."""
    if not parts.loaded.is_set():
        return ["Redis: not loaded yet"]
    return list(parts.cluster.registry.condition().troubles) if parts.cluster else []


def _parts(settings: Settings) -> Parts:
    store = RedisStore(settings.redis_url)
    hub = Hub(World(), lease=settings.weights_lease, absence=settings.gateway_absence)
    door, doors = _door(settings), Doors(settings.mesh_token)
    discovery = DiscoveryService(hub, door)
    if not settings.mesh_advertise:
        telemetry, fleet = Telemetry(RedisShelf(store.client), time.time, door), Fleet(hub)
        cluster = _cluster(settings, fleet)
        return Parts(settings, store, hub, fleet, telemetry, telemetry, doors, discovery, cluster=cluster)
    name, peers = new_name(), HttpPeers(settings.mesh_token)
    counts = Telemetry(RedisShelf(store.client, leader=(LEADER, name)), time.time)
    shared = SharedTelemetry(counts, name, peers, time.monotonic, door)
    doors.read, doors.take = shared.read_as_leader, shared.take_all
    fleet = Fleet(hub, peers, name)
    replicas = RedisReplicas(store.client, name, settings.mesh_advertise.rstrip("/"))
    membership = Membership(replicas, fleet, shared)
    return Parts(settings, store, hub, fleet, counts, shared, doors, discovery, membership, _cluster(settings, fleet))


def _cluster(settings: Settings, fleet: Fleet) -> Cluster | None:
    """Return the cluster that endpoints come from; None where they are told over the HTTP API."""
    if settings.registry == "redis":
        return None
    from mesh.apiserver import ApiServer
    from mesh.following import Cluster

    namespaces = [name for name in settings.watch_namespaces.replace(" ", "").split(",") if name]
    return Cluster(ApiServer(settings.kubeconfig), fleet, time.monotonic, _places(settings).holds, namespaces)


def _door(settings: Settings) -> Any:
    """Return who lets proxies in, None where they come without a token."""
    if settings.xds_auth == "off":
        return None
    from mesh.apiserver import ApiServer  # late: Kubernetes' client takes a third of a second
    from mesh.policy.doors import TokenDoor
    from mesh.policy.tokens_kubernetes import KubernetesTokens

    tokens = KubernetesTokens(ApiServer(settings.kubeconfig), time.time)
    return TokenDoor(tokens, _places(settings))


def _places(settings: Settings) -> Places:
    return Places(settings.namespace, settings.kubernetes_namespace, settings.preview_namespaces == "own")


async def _authority(settings: Settings, tasks: asyncio.TaskGroup, background: list[asyncio.Task[None]]) -> Any:
    """Return the mesh's own authority, None where nothing here speaks TLS. Waits for where its roots are kept."""
    if settings.xds_tls == "off" and not settings.webhook_port:
        return None
    from mesh.apiserver import ApiServer
    from mesh.identity import Authority, FileVault, SecretVault

    kept = FileVault(Path(settings.mesh_identity)) if settings.mesh_identity else None
    vault = kept or SecretVault(ApiServer(settings.kubeconfig), settings.namespace)
    while True:
        try:
            authority = await Authority.open(vault)
            break
        except Transient as error:
            log.warning("waiting for the mesh's roots", reason=str(error))
            await asyncio.sleep(error.retry_after)
    background.append(tasks.create_task(authority.keep()))
    return authority


def _credentials(settings: Settings, authority: Any) -> Any:
    """Return the TLS of the xDS server, None for plain text."""
    if settings.xds_tls == "off":
        return None
    from mesh.identity import ServingCertificate, grpc_credentials, mesh_names

    return grpc_credentials(
        ServingCertificate(authority.keyring, mesh_names(settings.mesh_service, settings.namespace))
    )


async def _admit(parts: Parts, authority: Any, tasks: asyncio.TaskGroup) -> None:
    """Serve the webhook that injects sidecars, and keep its registration right."""
    from mesh.apiserver import ApiServer
    from mesh.identity import ServingCertificate, mesh_names, ssl_context
    from mesh.injection import Mode, Options
    from mesh.webhook import Patrol, Registration, admission_app, has_native_sleep, serve

    settings, background = parts.settings, parts.running
    names = mesh_names(settings.mesh_service, settings.namespace)
    api, wish = ApiServer(settings.kubeconfig), settings.sidecar_native_sleep
    options = Options(
        settings.sidecar_image,
        authority.bundle().decode(),
        mode=Mode(settings.sidecar_mode),
        revision=settings.revision,
        mesh_address=names[0],
        own_namespace=settings.namespace,
        drain_seconds=settings.sidecar_drain_seconds,
        native_sleep=await has_native_sleep(api) if wish == "auto" else wish == "on",
        pull_policy=settings.sidecar_pull_policy,
        pull_secret=settings.sidecar_pull_secret,
    )
    app = admission_app(lambda: replace(options, ca_pem=authority.bundle().decode()))
    listener = _listen(settings.webhook_host, settings.webhook_port, "WEBHOOK")
    only = settings.watch_namespaces.replace(" ", "").split(",")
    registration = Registration(api, authority.bundle, name=settings.webhook_name)
    background.append(
        tasks.create_task(serve(app, listener, ssl_context(ServingCertificate(authority.keyring, names))))
    )
    patrol = Patrol(api, options, only_namespaces=filter(None, only))
    background += [tasks.create_task(each.keep()) for each in (registration, patrol)]
    parts.doors.injection = lambda: {"webhook": registration.state, "pods_without_sidecar": patrol.pods}
    log.info("injecting", port=settings.webhook_port, image=settings.sidecar_image, mode=settings.sidecar_mode)


async def _drain(parts: Parts, servers: list[Any]) -> None:
    """Send the proxies to other replicas, where there is time for it, and leave the roll."""
    parts.doors.leaving = True
    seconds = parts.settings.drain_seconds
    log.info("going", proxies=len(parts.hub.connected()), seconds=seconds)
    if parts.membership is not None:
        parts.membership.freeze()
    if seconds:
        notice = min(NOTICE_SECONDS, seconds / 2)
        await asyncio.sleep(notice)  # how far the news of our not being ready has come, nobody can tell us
        # GOAWAY: new streams open elsewhere
        closing = [asyncio.create_task(server.stop(seconds - notice)) for server in servers]
        await parts.discovery.drain((seconds - notice) / 2)
        for each in closing:
            await each
    if parts.membership is not None:
        await parts.membership.leave()


async def _sweep(telemetry: Telemetry, hub: Hub) -> None:
    """Run for ever: let telemetry forget versions that have neither replicas nor an intent."""
    while True:
        await asyncio.sleep(SWEEP_SECONDS)
        known = hub.world.versions()
        await telemetry.sweep({Identity(space, name, written(color), version) for space, name, color, version in known})


async def _until_stopped(
    server: uvicorn.Server, listener: socket.socket, drain: Callable[[], Coroutine[Any, Any, None]]
) -> None:
    """Serve until SIGINT or SIGTERM, past uvicorn's own handlers: they end the process with the streams open.

    The first signal drains, another one ends at once.
    """
    draining: list[asyncio.Task[None]] = []

    def stop() -> None:
        if draining:
            server.should_exit = True
            return
        draining.append(asyncio.create_task(drain()))
        draining[0].add_done_callback(lambda _: setattr(server, "should_exit", True))

    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop)
    await server._serve([listener])
    for task in draining:
        task.cancel()


def _listen(host: str, port: int, part: str = "MESH") -> socket.socket:
    # The protocol is named because asyncio switches Nagle's algorithm off only then: else answers come 40 ms late.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise Rejected(
            f"cannot listen on {host}:{port}: {error.strerror}",
            field=f"COLORLANE_{part}_PORT",
            value=port,
            remedy=f"stop what listens there, or set COLORLANE_{part}_PORT",
        ) from error
    return listener
