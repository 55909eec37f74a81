"""Container images from files: `docker save` archives of one layer, with no registry and no builder involved."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from pathlib import Path


def archive(path: Path, reference: str, program: Path, arguments: list[str]) -> Path:
    """Write an image to `path` that consists of one static program, run with the arguments; return the path."""
    layer = _layer(program)
    digest = hashlib.sha256(layer).hexdigest()
    config = {
        "architecture": "amd64",
        "os": "linux",
        "config": {"Entrypoint": [f"/{program.name}"], "Cmd": arguments, "User": "65534:65534"},
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{digest}"]},
    }
    manifest = [{"Config": "config.json", "RepoTags": [reference], "Layers": ["layer.tar"]}]
    with tarfile.open(path, "w") as image:
        for name, content in [
            ("config.json", json.dumps(config).encode()),
            ("layer.tar", layer),
            ("manifest.json", json.dumps(manifest).encode()),
        ]:
            _add(image, name, content, mode=0o644)
    return path


def _layer(program: Path) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as layer:
        _add(layer, program.name, program.read_bytes(), mode=0o755)
    return buffer.getvalue()


def _add(into: tarfile.TarFile, name: str, content: bytes, mode: int) -> None:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode = len(content), mode
    into.addfile(entry, io.BytesIO(content))
