"""A Docker engine for tests: the one that answers, or Debian's `dockerd`, started and ended by us. Compose too.

Neighbours: run (starts what is missing, then the tests), composed (what the tests do with it). An engine of our own
keeps to a folder and a socket of its own, so that it meets no other on this machine.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

STARTS_WITHIN = 60.0  # seconds
COMPOSE = "github.com/docker/compose/v2@v2.40.3"
REMEDY = "run `python -m tests.containers.run` as root, with a Docker engine and debootstrap installed"


def missing(environment: Mapping[str, str] | None = None) -> str:
    """Return what keeps the tests of containers from running, in one line with the remedy; "" for nothing."""
    if shutil.which("docker") is None:
        return f"no docker on PATH: {REMEDY}"
    if not answers(environment):
        return f"no Docker engine answers: {REMEDY}"
    if docker("compose", "version", environment=environment, check=False).returncode:
        return f"no docker compose (v2): {REMEDY}"
    return ""


def answers(environment: Mapping[str, str] | None = None) -> bool:
    """Tell whether an engine answers at DOCKER_HOST, or where the client looks by itself."""
    return docker("version", "--format", "{{.Server.Version}}", environment=environment, check=False).returncode == 0


def docker(
    *words: str, environment: Mapping[str, str] | None = None, check: bool = True, seconds: float = 900
) -> subprocess.CompletedProcess[str]:
    """Run the client. Raises AssertionError with its own words when it fails."""
    command, given = ["docker", *words], os.environ | (environment or {})
    done = subprocess.run(command, env=given, capture_output=True, text=True, timeout=seconds, check=False)
    if check and done.returncode:
        raise AssertionError(f"{' '.join(command)}: {done.stderr.strip()[-2000:]}")
    return done


@contextlib.contextmanager
def started(folder: Path) -> Iterator[dict[str, str]]:
    """Start `dockerd` with all it keeps below `folder`; yields the variables that lead clients to it."""
    folder.mkdir(parents=True, exist_ok=True)
    socket = f"unix://{folder}/docker.sock"
    command = ["dockerd", f"--data-root={folder}/data", f"--exec-root={folder}/exec", f"--pidfile={folder}/pid"]
    command += [f"--host={socket}", "--bip=10.213.0.1/24", "--exec-opt=native.cgroupdriver=cgroupfs"]
    with (folder / "log").open("a") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
    environment = {"DOCKER_HOST": socket}
    try:
        _wait(process, environment, folder / "log")
        yield environment
    finally:
        process.terminate()
        process.wait(60)


def _wait(process: subprocess.Popen[bytes], environment: Mapping[str, str], log: Path) -> None:
    deadline = time.monotonic() + STARTS_WITHIN
    while time.monotonic() < deadline:
        if process.poll() is not None:
            break
        if answers(environment):
            return
        time.sleep(0.2)
    raise SystemExit(f"dockerd does not come up; the end of {log}:\n{log.read_text()[-2000:]}")


def with_compose(cache: Path, environment: Mapping[str, str]) -> dict[str, str]:
    """Return `environment` with a client that knows compose; where it does not, the plugin is built once with Go."""
    if docker("compose", "version", environment=environment, check=False).returncode == 0:
        return dict(environment)
    plugins = cache / "docker" / "cli-plugins"
    if not (plugins / "docker-compose").exists():
        _build(plugins)
    return {**environment, "DOCKER_CONFIG": str(plugins.parent)}


def _build(plugins: Path) -> None:
    if shutil.which("go") is None:
        raise SystemExit("docker has no compose plugin, and there is no go to build it with; install either")
    module, _, version = COMPOSE.partition("@")
    plugins.mkdir(parents=True, exist_ok=True)
    work = plugins.parent / "build"
    work.mkdir(exist_ok=True)
    (work / "go.mod").write_text(f"module build\n\nrequire {module} {version}\n")
    flags = f"-s -w -X {module}/internal.Version={version}"
    command = ["go", "build", "-mod=mod", "-p=2", f"-ldflags={flags}", "-o", str(plugins / "docker-compose")]
    subprocess.run([*command, f"{module}/cmd"], cwd=work, check=True)
