"""Starting the two processes of a replica, with the ports checked first. Neighbours: replica, runtimes, podspec."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterable
from pathlib import Path

from delivery.adapters.platform_local import sidecar
from delivery.adapters.platform_local.capturing import group
from delivery.adapters.platform_local.folders import Folders
from delivery.adapters.platform_local.podspec import process_spec
from delivery.adapters.platform_local.records import MARK, ReplicaRecord
from delivery.adapters.platform_local.runtimes import application_path, resolve_argv
from delivery.processes.ports import port_holder, port_is_free
from delivery.processes.process import Process, spawn

# All that applications inherit; everything else of the agent's environment (tokens above all) stays here.
INHERITED = ("HOME", "LANG", "LC_ALL", "LC_CTYPE", "LOGNAME", "TMPDIR", "TZ", "USER")
# A log that is read while it is written, and artifacts that stay as they were built.
DEFAULTS = {"PYTHONUNBUFFERED": "1", "PYTHONDONTWRITEBYTECODE": "1"}


class PortTaken(OSError):
    """Another program has taken a port of the replica; it needs new ones."""


def app_surroundings(record: ReplicaRecord, folders: Folders, base_env: dict[str, str]) -> tuple[Path, dict[str, str]]:
    """Return working directory and environment of the application."""
    process = process_spec(record.plan, record.ports, record.pod, record.key.project)
    tree = folders.artifact(record.artifact)
    env = {name: base_env[name] for name in INHERITED if name in base_env}
    env |= {"PATH": application_path(base_env.get("PATH", "")), **DEFAULTS, **process.env}
    env[MARK] = record.mark(folders, "app")
    return tree / process.working_dir, env


def start_app(record: ReplicaRecord, folders: Folders, base_env: dict[str, str]) -> Process:
    """Start the application. Raises PortTaken, ProgramMissing or another OSError, worded for people."""
    _check_ports(record.ports.targets.values())
    cwd, env = app_surroundings(record, folders, base_env)
    if not cwd.is_dir():
        raise NotADirectoryError(f"the artifact {record.artifact} has no directory {cwd.name!r}; build it again")
    process = process_spec(record.plan, record.ports, record.pod, record.key.project)
    argv = resolve_argv(process.argv, cwd, base_env.get("PATH", ""))
    own_group = group(record.ports) if record.ports.captured else None
    return spawn(argv, cwd=cwd, env=env, log=record.folder(folders) / "app.log", group=own_group)


def start_sidecar(
    record: ReplicaRecord, folders: Folders, base_env: dict[str, str], bootstrap: sidecar.Bootstrap
) -> Process:
    """Start the sidecar. Raises PortTaken or another OSError."""
    ports = record.ports
    _check_ports((ports.admin, ports.outbound, *ports.inbound.values(), *filter(None, (ports.captured,))))
    env = {"PATH": base_env.get("PATH", ""), MARK: record.mark(folders, "sidecar")}
    return sidecar.start(record, record.folder(folders), bootstrap, env)


async def run_pre_stop(record: ReplicaRecord, folders: Folders, base_env: dict[str, str]) -> None:
    """Run the container's preStop hook, for at most the grace period; its failure stops nothing."""
    await asyncio.sleep(min(record.plan.pre_stop_sleep, record.plan.grace))
    if not record.plan.pre_stop:
        return
    cwd, env = app_surroundings(record, folders, base_env)
    with contextlib.suppress(OSError, TimeoutError):
        argv = resolve_argv(record.plan.pre_stop, cwd, base_env.get("PATH", ""))
        process = spawn(argv, cwd=cwd, env=env, log=record.folder(folders) / "app.log")
        try:
            await asyncio.wait_for(process.wait(), record.plan.grace)
        finally:
            await process.stop(grace=0)


def note(record: ReplicaRecord, folders: Folders, line: str) -> None:
    """Write a line of ours into the application's log."""
    with open(record.folder(folders) / "app.log", "a", encoding="utf-8") as file:
        file.write(f"{line}\n")


def _check_ports(ports: Iterable[int]) -> None:
    for port in ports:
        if not port_is_free(port):
            raise PortTaken(f"port {port} is in use by {port_holder(port)}")
