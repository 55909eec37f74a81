"""The platform agent: makes the desired documents so. Process `python -m delivery agent`.

It looks at the desired folder every few milliseconds, keeps a `Workload` for each document, writes status documents
and keeps the mesh informed. Everything that must survive its death is in files: a new agent adopts what runs.
Disk work is a few small files and stays on the event loop. Neighbours: workload, registration, documents.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import signal
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import structlog

from delivery.adapters.platform_local import documents, records
from delivery.adapters.platform_local.capturing import Capturing
from delivery.adapters.platform_local.events import forget_events
from delivery.adapters.platform_local.folders import Folders
from delivery.adapters.platform_local.registration import Registrar, endpoint
from delivery.adapters.platform_local.replica import Surroundings
from delivery.adapters.platform_local.runtimes import application_path
from delivery.adapters.platform_local.sidecar import Bootstrap, mesh_bootstrap
from delivery.adapters.platform_local.workload import Workload
from delivery.errors import Conflict
from delivery.processes.identity import find_marked, read_stat
from delivery.processes.logfiles import cap_log
from delivery.processes.ports import PortPool
from delivery.workloads import WorkloadKey

LOOK = 0.02  # seconds between looks at the folder's mtime: a part of the time from push to preview
RESCAN = 1.0  # seconds; a full look, for changes within one tick of the file system's clock
CHORES = 5.0  # seconds between looks at the sizes of logs
THREADS = 16  # calls to admin interfaces of Envoys that may block for a second

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class AgentConfig:
    """What an agent needs. `environ`: the agent's own, of which applications inherit a few harmless variables.

    `node` names this machine to the mesh; `withdraw_deadline` (seconds) bounds the wait for a mesh that does not
    withdraw an endpoint; `bootstrap` replaces the sidecars' configuration (tests without a mesh);
    `capture` leads applications' connections to their sidecars by rules.
    """

    state_dir: Path
    mesh_url: str
    xds_port: int
    environ: Mapping[str, str]
    node: str = "local"
    withdraw_deadline: float = 10.0
    bootstrap: Bootstrap | None = None
    mesh_token: str = field(default="", repr=False)
    capture: bool = False


def run_agent(config: AgentConfig) -> None:
    """Run until SIGTERM or SIGINT, which end all workloads. Raises Conflict when another agent has the state."""
    asyncio.run(_run_until_signalled(config))


async def _run_until_signalled(config: AgentConfig) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.set_default_executor(ThreadPoolExecutor(THREADS, thread_name_prefix="agent"))
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    await Agent(config).run(stop)


class Agent:
    """See the module."""

    def __init__(self, config: AgentConfig) -> None:
        self._config = config
        self._folders = Folders(config.state_dir.resolve())
        self._workloads: dict[str, Workload] = {}
        self._seen: dict[str, tuple[int, int]] = {}
        self._written: dict[str, documents.StatusDocument] = {}
        self._wake = asyncio.Event()

    async def run(self, stop: asyncio.Event) -> None:
        """Adopt what runs, then reconcile until `stop` is set, then end all workloads."""
        with self._alone():
            for folder in (self._folders.desired_dir, self._folders.status_dir):
                folder.mkdir(parents=True, exist_ok=True)
            async with httpx.AsyncClient(trust_env=False) as client:
                self._registrar = Registrar(
                    client, self._config.mesh_url, self._config.node, self._wake.set, token=self._config.mesh_token
                )
                self._around = self._surroundings(client)
                await self._adopt()
                await self._work(stop)

    async def _work(self, stop: asyncio.Event) -> None:
        self._reconcile()
        log.info("agent.started", workloads=len(self._workloads), node=self._config.node)
        loops = (self._registrar.run(), self._watch_desired(), self._do_chores(), self._keep_reconciling())
        tasks = [asyncio.create_task(loop) for loop in loops]
        stopped = asyncio.create_task(stop.wait())
        try:
            done, _ = await asyncio.wait([*tasks, stopped], return_when=asyncio.FIRST_COMPLETED)
            for task in done - {stopped}:
                task.result()  # none of the loops ends by itself: a bug shows here, and the supervisor starts anew
        finally:
            for task in (*tasks, stopped):
                task.cancel()
            await asyncio.wait([*tasks, stopped])  # one more look at what is desired would start it beside our ending
        await self._stop()

    async def _adopt(self) -> None:
        """Take over replicas with a record; end processes that carry our mark but are in no record."""
        found = list(records.load_all(self._folders))
        self._around.capturing.begin(found)
        known = {who.pid for record in found for who in (record.app, record.sidecar) if who is not None}
        for pid, mark in find_marked(records.MARK, records.mark_prefix(self._folders)):
            stat = read_stat(pid)
            if pid not in known and (stat is None or stat.session not in known):
                log.info("agent.orphan_ended", pid=pid, mark=mark)
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.kill(pid, signal.SIGKILL)
        for record in found:
            self._around.pool.reserve(record.ports.all())
            self._workload(record.workload, record.key).adopt(record)
            log.info("agent.adopted", endpoint=record.endpoint, state=record.state)

    def _reconcile(self) -> None:
        """Read changed documents, bring every workload on, write what is seen, tell the mesh."""
        self._read_desired()
        for name, workload in list(self._workloads.items()):
            workload.reconcile()
            if workload.removed and not workload.replicas:
                self._forget(name, workload)
            else:
                self._write_status(name, workload)
        replicas = [r for workload in self._workloads.values() for r in workload.replicas.values() if not r.gone]
        self._registrar.update([endpoint(replica.record) for replica in replicas])

    def _read_desired(self) -> None:
        seen = {}
        for entry in os.scandir(self._folders.desired_dir):
            if entry.name.endswith(".json") and not entry.name.startswith("."):
                with contextlib.suppress(FileNotFoundError):
                    status = entry.stat()
                    seen[entry.name.removesuffix(".json")] = (status.st_mtime_ns, status.st_ino)
        for name in [*seen, *(self._workloads.keys() - seen.keys())]:
            if self._seen.get(name) != seen.get(name) or name not in self._workloads:
                desired = documents.read_desired(self._folders.desired(name))
                if desired is not None:
                    self._workload(name, desired.spec.key).want(desired)
                elif name in self._workloads:
                    self._workloads[name].want(None)
        self._seen = seen

    def _workload(self, name: str, key: WorkloadKey) -> Workload:
        if name not in self._workloads:
            self._workloads[name] = Workload(key, self._around, self._wake.set)
        return self._workloads[name]

    def _write_status(self, name: str, workload: Workload) -> None:
        document = workload.document()
        before = self._written.get(name)
        if document == before:
            return
        documents.write_status(self._folders.status(name), document)
        self._written[name] = document
        if before is None or before.status.health != document.status.health:
            log.info("workload.health", workload=name, health=document.status.health, reason=document.status.reason)

    def _forget(self, name: str, workload: Workload) -> None:
        """Nothing of the workload is left: take away its documents, unless it was wanted again meanwhile."""
        with self._folders.lock():
            now = documents.read_desired(self._folders.desired(name))
            if now is not None and now != workload.desired:
                return
            if now is not None:
                documents.note_removed(self._folders, name, now.spec.generation)
            with contextlib.suppress(OSError):
                self._folders.run(name).rmdir()
            self._folders.status(name).unlink(missing_ok=True)
            self._folders.desired(name).unlink(missing_ok=True)
            forget_events(self._folders.events(name))
        del self._workloads[name]
        self._written.pop(name, None)
        log.info("workload.absent", workload=name)

    async def _keep_reconciling(self) -> None:
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(RESCAN):  # not wait_for: before Python 3.12 it may lose a cancellation
                    await self._wake.wait()
            self._wake.clear()
            self._reconcile()
            self._folders.agent.write_text(f'{{"pid": {os.getpid()}, "at": {time.time():.0f}}}\n')

    async def _watch_desired(self) -> None:
        before = 0
        while True:
            now = os.stat(self._folders.desired_dir).st_mtime_ns
            if now != before:
                before = now
                self._wake.set()
            await asyncio.sleep(LOOK)

    async def _do_chores(self) -> None:
        while True:
            for path in self._folders.platform.glob("run/*/*/*.log"):
                await asyncio.to_thread(cap_log, path)
            await asyncio.sleep(CHORES)

    async def _stop(self) -> None:
        """End every workload at once; the desired documents stay, so the next agent starts them again."""
        replicas = [replica for workload in self._workloads.values() for replica in workload.replicas.values()]
        log.info("agent.stopping", replicas=len(replicas))
        self._registrar.update([])
        await asyncio.gather(self._registrar.send(), *(replica.stop() for replica in replicas))
        for name, workload in list(self._workloads.items()):
            workload.forget_gone()
            if workload.removed:
                self._forget(name, workload)
            self._folders.status(name).unlink(missing_ok=True)
        self._folders.agent.unlink(missing_ok=True)
        log.info("agent.stopped")

    def _surroundings(self, client: httpx.AsyncClient) -> Surroundings:
        environ = dict(self._config.environ)
        application_path(environ.get("PATH", ""))  # looks for Node now, not when the first preview waits
        bootstrap = self._config.bootstrap or mesh_bootstrap(self._config.xds_port)
        deadline = self._config.withdraw_deadline
        capturing = Capturing(self._folders.state_dir, self._folders.capture, enabled=self._config.capture)
        pool = PortPool()
        return Surroundings(self._folders, client, self._registrar, pool, bootstrap, environ, deadline, capturing)

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        """Hold the state's agent lock; two agents would each start every workload."""
        self._folders.platform.mkdir(parents=True, exist_ok=True)
        with open(self._folders.platform / "agent.lock", "w") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise Conflict(
                    f"another platform agent runs on {self._folders.state_dir}",
                    field="state_dir",
                    value=str(self._folders.state_dir),
                    remedy="stop it, or give COLORLANE_STATE_DIR another directory",
                ) from None
            yield
