"""A base image with the Python that runs the tests, and real registries and tools to try images with."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from pipelines.images.assemble import empty_base
from pipelines.images.layers import pack_layer
from pipelines.images.model import LAYER, Descriptor, Image, Layer, image_of
from tests.fakes.background import free_port, wait_for

PLATFORM = "linux/amd64"


def needs(*programs: str) -> None:
    """Skip the test unless all programs are installed."""
    missing = [program for program in programs if shutil.which(program) is None]
    if missing:
        where = "Debian: docker-registry, skopeo, umoci, runc, containerd, apache2-utils; BuildKit: its own releases"
        pytest.skip(f"needs {', '.join(missing)} ({where})")


def run(*argv: str | Path, **options: object) -> str:
    """Run a program; return what it prints."""
    done = subprocess.run([str(part) for part in argv], capture_output=True, text=True, timeout=120, **options)  # type: ignore[call-overload]
    assert done.returncode == 0, f"{argv}: {done.stdout}\n{done.stderr}"
    return str(done.stdout)


def python_root(place: Path) -> Path:
    """Copy the interpreter, its library and what it links to: enough to run programs of the standard library."""
    interpreter = Path(sys.executable).resolve()
    standard = Path(sysconfig.get_path("stdlib"))
    _copy(interpreter, place)
    leave = shutil.ignore_patterns("test", "__pycache__", "site-packages", "dist-packages", "idlelib", "config-*")
    shutil.copytree(standard, place / standard.relative_to("/"), symlinks=True, ignore=leave)
    binaries = [interpreter, *standard.glob("lib-dynload/*.so")]
    for library in sorted({library for binary in binaries for library in libraries(binary)}):
        _copy(library, place)
    (place / "usr" / "bin").mkdir(parents=True, exist_ok=True)
    if not (place / "usr" / "bin" / "python3").exists():
        (place / "usr" / "bin" / "python3").symlink_to(f"/{interpreter.relative_to('/')}")
    (place / "tmp").mkdir(exist_ok=True)
    return place


def libraries(binary: Path) -> Iterator[Path]:
    """Yield what the loader loads for a program."""
    for line in subprocess.run(["ldd", str(binary)], capture_output=True, text=True).stdout.splitlines():
        for word in line.split():
            if word.startswith("/"):
                yield Path(word)


def _copy(file: Path, place: Path) -> None:
    target = place / file.relative_to("/")
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy2(file, target)


def tree_image(tree: Path, workspace: Path, **settings: object) -> Image:
    """Return an image whose root is `tree`."""
    packed = pack_layer(tree, "", workspace / "root.tar.gz")
    config = dict(empty_base(PLATFORM).config)
    config |= {"rootfs": {"type": "layers", "diff_ids": [packed.diff_id]}, "config": settings}
    return image_of(config, (Layer(Descriptor(LAYER, packed.digest, packed.size), lambda: packed.path),))


@dataclass(frozen=True)
class RunningRegistry:
    """Debian's docker-registry (CNCF distribution) on loopback."""

    host: str
    data: Path
    log: Path

    @property
    def blobs(self) -> int:
        """Return how many blobs it keeps."""
        return sum(1 for _ in (self.data / "docker/registry/v2/blobs").glob("sha256/*/*/data"))


@contextmanager
def running_registry(
    place: Path, *, host: str = "", auth: dict[str, object] | None = None
) -> Iterator[RunningRegistry]:
    """Run a registry below `place` until the end of the block."""
    needs("docker-registry")
    place.mkdir(parents=True, exist_ok=True)
    host = host or f"127.0.0.1:{free_port()}"
    config: dict[str, object] = {
        "version": 0.1,
        "log": {"level": "info"},
        "storage": {"filesystem": {"rootdirectory": str(place / "data")}, "delete": {"enabled": True}},
        "http": {"addr": host},
    }
    if auth is not None:
        config["auth"] = auth
    (place / "config.yml").write_text(json.dumps(config))
    with (place / "log").open("wb") as log:
        argv = ["docker-registry", "serve", str(place / "config.yml")]
        process = subprocess.Popen(argv, stdout=log, stderr=subprocess.STDOUT)
    try:
        wait_for("the registry answers", lambda: _answers(f"http://{host}/v2/"), 20)
        yield RunningRegistry(host, place / "data", place / "log")
    finally:
        process.terminate()
        process.wait(10)


def _answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=2, trust_env=False).status_code in (200, 401)
    except httpx.HTTPError:
        return False


def skopeo(*arguments: str) -> str:
    """Run skopeo; return what it prints."""
    return run("skopeo", *arguments)


def inspected(output: str) -> Sequence[str]:
    """Return the digests of the layers in what `skopeo inspect` printed."""
    return list(json.loads(output)["Layers"])


@contextmanager
def running_buildkitd(place: Path, socket: Path, insecure: str = "") -> Iterator[str]:
    """Run a buildkitd as root until the end of the block; yield its address. `insecure`: a registry without TLS."""
    needs("buildkitd", "buildctl", "runc")
    if os.geteuid() != 0:
        pytest.skip("buildkitd is run as root here")
    registry = f'[registry."{insecure}"]\n  http = true\n' if insecure else ""
    (place / "buildkitd.toml").write_text(
        f'root = "{place}/root"\n[grpc]\n  address = ["unix://{socket}"]\n'
        f'[worker.oci]\n  enabled = true\n  snapshotter = "native"\n[worker.containerd]\n  enabled = false\n{registry}'
    )
    with (place / "buildkitd.log").open("wb") as log:
        argv = ["buildkitd", "--config", str(place / "buildkitd.toml")]
        process = subprocess.Popen(argv, stdout=log, stderr=subprocess.STDOUT)
    address = f"unix://{socket}"
    asked = ["buildctl", "--addr", address, "debug", "workers"]
    try:
        wait_for("buildkitd answers", lambda: not subprocess.run(asked, capture_output=True).returncode, 30)
        yield address
    finally:
        process.terminate()
        process.wait(20)
        shutil.rmtree(place / "root", ignore_errors=True)
