"""Finds the programs of a real control plane: in the cache of `build_assets`, or where `KUBEBUILDER_ASSETS` says.

`cluster.py` starts them. A build that is running (CI starts it beside the other tests) is waited for, by its lock.
"""

from __future__ import annotations

import fcntl
import os
import subprocess
import time
from pathlib import Path

SCRIPT = Path(__file__).with_name("build_assets")
CONTROL_PLANE = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kwok")
LONGEST_BUILD = 1200.0  # seconds; cold, on two cores shared with the other tests, it takes half of that
REMEDY = (
    "build them once with Go: `tests/kubernetes/build_assets`; or set KUBEBUILDER_ASSETS or COLORLANE_TEST_KUBECONFIG"
)


class MissingAssets(Exception):
    """Programs of the control plane are not there; the message is one line that says which, and how to get them."""


def find(programs: tuple[str, ...] = CONTROL_PLANE, patience: float = LONGEST_BUILD) -> Path:
    """Return the folder that holds the programs.

    Waits at most `patience` seconds for a build under way. Raises MissingAssets.
    """
    folder = directory()
    _wait_for_a_build(folder, time.monotonic() + patience)
    missing = [name for name in programs if not os.access(folder / name, os.X_OK)]
    if missing:
        raise MissingAssets(f"no {', '.join(missing)} in {folder}: {REMEDY}")
    return folder


def directory() -> Path:
    """Return where the programs are, or would be: the script alone knows the pinned version."""
    shown = subprocess.run([str(SCRIPT), "--path"], check=True, capture_output=True, text=True)
    return Path(shown.stdout.strip())


def _wait_for_a_build(folder: Path, deadline: float) -> None:
    lock = folder.with_name(f"{folder.name}.lock")
    if not lock.exists():
        return
    with lock.open() as handle:
        while time.monotonic() < deadline:
            try:
                return fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                time.sleep(0.2)
    raise MissingAssets(
        f"a build of {folder} did not end in time; see its output, or run tests/kubernetes/{SCRIPT.name}"
    )
