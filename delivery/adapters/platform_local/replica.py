"""One replica: an application process and its sidecar, kept running, watched, drained and removed.

State told to the mesh: starting -> ready (the application's readiness and the sidecar's) -> draining. A replica is
adopted when its record names living processes; then `ready` stays true until a probe says otherwise, so that the
agent's own death costs no request. Neighbours: launching, health, sidecar, registration; workload decides about it.
"""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, replace
from pathlib import Path

import httpx
import structlog

from delivery.adapters.platform_local import launching, sidecar
from delivery.adapters.platform_local.capturing import Capturing
from delivery.adapters.platform_local.events import note_event
from delivery.adapters.platform_local.folders import Folders
from delivery.adapters.platform_local.health import AppHealth
from delivery.adapters.platform_local.launching import PortTaken
from delivery.adapters.platform_local.probing import Prober
from delivery.adapters.platform_local.records import ReplicaRecord, save
from delivery.adapters.platform_local.registration import Registrar
from delivery.processes.backoff import Backoff
from delivery.processes.identity import Identity
from delivery.processes.keeper import Keeper
from delivery.processes.ports import PortPool
from delivery.processes.process import Process, adopt
from delivery.workloads import Happening
from mesh.sidecar import FLUSH_SECONDS

APP_BACKOFF = Backoff(first=0.2, factor=2, ceiling=15, forgiven_after=10)
SIDECAR_BACKOFF = Backoff(first=0.02, factor=2, ceiling=5, forgiven_after=10)
SIDECAR_GRACE = 2.0  # seconds; Envoy ends at once on SIGTERM
QUICK_IDLE, QUICK_GRACE = 2.0, 5.0  # when the whole stack stops

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Surroundings:
    """What replicas share. `base_env` is the agent's own environment, `withdraw_deadline` in seconds."""

    folders: Folders
    client: httpx.AsyncClient
    registrar: Registrar
    pool: PortPool
    bootstrap: sidecar.Bootstrap
    base_env: dict[str, str]
    withdraw_deadline: float
    capturing: Capturing


class Replica:
    """See the module. `on_change` is called whenever something visible changed."""

    def __init__(self, record: ReplicaRecord, around: Surroundings, on_change: Callable[[], None]) -> None:
        self.record = record
        self._around, self._on_change = around, on_change
        self.app = Keeper(self._launch_app, APP_BACKOFF, self._follow)
        self.sidecar = Keeper(self._launch_sidecar, SIDECAR_BACKOFF, self._follow)
        self.health: AppHealth | None = None
        self.sidecar_ready = False
        self.ever_ready = record.registered
        self.port_taken = ""
        self.gone = False
        self.waiting_since = time.monotonic()
        self._watched: dict[str, tuple[Identity, asyncio.Task[None]]] = {}
        self._ending: asyncio.Task[None] | None = None
        self._closed = False  # processes are being ended: their comings and goings mean nothing any more

    @property
    def state(self) -> str:
        """Return what the mesh is told: starting, ready or draining."""
        return self.record.state

    @property
    def log_path(self) -> Path:
        """Return the file with the application's output."""
        return self.record.folder(self._around.folders) / "app.log"

    @property
    def usable(self) -> bool:
        """Tell whether the replica is ready and the mesh knows: from then on users may be sent to it."""
        return self.state == "ready" and self.record.registered

    def note_registration(self) -> None:
        """Record that the mesh took this replica as ready, if it did."""
        taken = self._around.registrar.accepted.get(self.record.endpoint) == "ready"
        if taken and self.state == "ready" and not self.record.registered:
            self.ever_ready = True
            self.record = replace(self.record, registered=True)
            save(self._around.folders, self.record)

    def start(self) -> None:
        """Start both processes side by side, adopting those that live."""
        app, proxy = (adopt(who) if who else None for who in (self.record.app, self.record.sidecar))
        if self.state == "ready" and (app is None or proxy is None):
            self.record = replace(self.record, state="starting", registered=False)
        save(self._around.folders, self.record)
        for keeper, process in ((self.sidecar, proxy), (self.app, app)):
            if process is not None or self.state != "draining":  # what was being ended is not started again for that
                keeper.start(process)

    def drain(self) -> None:
        """Begin to withdraw and end the replica, once."""
        if self._ending is None:
            self._ending = asyncio.create_task(self._drain())

    async def stop(self) -> None:
        """End the replica now, because everything stops: requests in flight get a moment, nobody is asked."""
        if self._ending is not None:
            self._ending.cancel()
            await asyncio.wait({self._ending})
        if not self.gone:
            self._set_state("draining")
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(sidecar.until_idle(self.record), QUICK_IDLE)
            await self._end(min(self.record.plan.grace, QUICK_GRACE))

    async def abandon(self) -> None:
        """Let go of the processes without ending them."""
        self._close()
        await asyncio.gather(self.app.abandon(), self.sidecar.abandon())

    async def _drain(self) -> None:
        grace = self.record.plan.grace
        self._set_state("draining")
        deadline = self._around.withdraw_deadline
        withdrawn = await self._around.registrar.until_withdrawn(self.record.endpoint, deadline)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(sidecar.until_idle(self.record), grace)
        await launching.run_pre_stop(self.record, self._around.folders, self._around.base_env)
        await self._end(grace, linger=FLUSH_SECONDS)
        log.info("replica.removed", endpoint=self.record.endpoint, withdrawn=withdrawn)
        self._tell("Removed", "drained and stopped" if withdrawn else "stopped before all proxies had let go of it")

    async def _end(self, grace: float, *, linger: float = 0.0) -> None:
        """Stop both; the sidecar at least `linger` seconds from now, so that its last counts are exported."""
        self._close()
        await asyncio.gather(self.app.stop(grace), asyncio.sleep(linger))
        await self.sidecar.stop(SIDECAR_GRACE)
        self._around.capturing.dismiss(self.record)
        shutil.rmtree(self.record.folder(self._around.folders), ignore_errors=True)
        self._around.pool.give_back(self.record.ports.all())
        self.gone = True
        self._on_change()

    def _launch_app(self) -> Process:
        self._around.capturing.admit(self.record)
        return self._launch(launching.start_app)

    def _launch_sidecar(self) -> Process:
        bootstrap = self._around.bootstrap
        return self._launch(lambda record, folders, env: launching.start_sidecar(record, folders, env, bootstrap))

    def _launch(self, start: Callable[[ReplicaRecord, Folders, dict[str, str]], Process]) -> Process:
        try:
            process = start(self.record, self._around.folders, self._around.base_env)
        except PortTaken as error:
            self.port_taken = str(error)
            raise
        program = "sidecar" if start is not launching.start_app else "app"
        log.info("replica.started", endpoint=self.record.endpoint, program=program, pid=process.pid)
        self._tell("Started", f"{program} started as process {process.pid}")
        return process

    def _follow(self) -> None:
        """Take note of processes that have come or gone: watch the new ones, record who they are."""
        if self._closed:
            return
        for role, keeper in (("app", self.app), ("sidecar", self.sidecar)):
            now = keeper.process.identity if keeper.process else None
            watched = self._watched.get(role)
            if watched is not None and watched[0] != now:
                self._unwatch(role)
            if now is not None and role not in self._watched:
                adopted = self.state == "ready" and now == (self.record.app if role == "app" else self.record.sidecar)
                watcher = self._watch_app(adopted) if role == "app" else self._watch_sidecar(adopted)
                self._watched[role] = (now, asyncio.create_task(watcher))
        self._refresh()

    def _close(self) -> None:
        self._closed = True
        self._unwatch("app")
        self._unwatch("sidecar")

    def _unwatch(self, role: str) -> None:
        _, task = self._watched.pop(role, (None, None))
        if task is not None:
            task.cancel()
        if role == "app":
            self.health = None
        else:
            self.sidecar_ready = False

    def _watch_app(self, ready: bool) -> Coroutine[None, None, None]:
        """Set the health before anything is awaited: an adopted replica is not unready for a moment."""
        record, folders = self.record, self._around.folders
        cwd, env = launching.app_surroundings(record, folders, self._around.base_env)
        prober = Prober(self._around.client, record.ports.targets, cwd, env, record.folder(folders) / "probes.log")
        self.health = AppHealth(record.plan.probes, prober, self._refresh, ready=ready)
        return self._restart_when_unhealthy(self.health)

    async def _restart_when_unhealthy(self, health: AppHealth) -> None:
        reason = await health.watch()
        log.info("replica.unhealthy", endpoint=self.record.endpoint, reason=reason)
        self._tell("Unhealthy", f"restarted, because the {reason}", warning=True)
        launching.note(self.record, self._around.folders, f"colorlane: restarted, because the {reason}")
        await self.app.restart(self.record.plan.grace)

    def _watch_sidecar(self, ready: bool) -> Coroutine[None, None, None]:
        self.sidecar_ready = ready
        return self._note_when_sidecar_is_ready()

    async def _note_when_sidecar_is_ready(self) -> None:
        await sidecar.until_ready(self.record)
        self.sidecar_ready = True
        self._refresh()

    def _identity(self, role: str) -> Identity | None:
        process = (self.app if role == "app" else self.sidecar).process
        return process.identity if process else None

    def _refresh(self) -> None:
        if self._closed:
            return
        ready = self.sidecar_ready and self.health is not None and self.health.ready
        self._set_state("draining" if self.state == "draining" else "ready" if ready else "starting")

    def _set_state(self, state: str) -> None:
        if state != self.state:
            self.waiting_since = time.monotonic()
            log.info("replica.state", endpoint=self.record.endpoint, state=state)
            self._tell(state.capitalize(), f"is {state}" if state != "ready" else "is ready and may take requests")
        record = replace(
            self.record,
            state=state,
            registered=self.record.registered and state == "ready",
            app=self._identity("app"),
            sidecar=self._identity("sidecar"),
        )
        if record != self.record:
            self.record = record
            save(self._around.folders, record)
        self._on_change()

    def _tell(self, reason: str, text: str, *, warning: bool = False) -> None:
        """Write down for people what happens to the replica."""
        event = Happening(time.time(), self.record.pod, reason, text, warning)
        note_event(self._around.folders.events(self.record.workload), event)
