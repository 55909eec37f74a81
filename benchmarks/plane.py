"""The control plane with real Envoys for benchmarks: the bench of the integration tests, found from the repository."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tests.integration.mesh.controlplane import DOMAIN, NAMESPACE, Plane, running_plane
from tests.integration.mesh.dataplane import free_port, get, wait_for

__all__ = ["DOMAIN", "NAMESPACE", "Plane", "free_port", "get", "plane", "wait_for"]


@contextmanager
def plane() -> Iterator[Plane]:
    """A control plane with a gateway in a folder of its own, which is removed with it."""
    with tempfile.TemporaryDirectory(prefix="colorlane-bench-") as folder, running_plane(Path(folder)) as running:
        yield running
