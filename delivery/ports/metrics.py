"""Metrics port: cumulative request counts by version. Real side: metrics_mesh.

Contract: readings are cumulative since the version first took traffic in that environment, monotonic over
restarts of proxies and of the mesh, attributed to the version that answered. Fresh to about one second. No data is a
reading with zero requests, never an error; a source that is away raises `Transient`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from delivery.gates.samples import Counts


class Metrics(Protocol):
    """See the module's contract."""

    def read(self, project: str, service: str, color: str) -> Mapping[str, Counts]:
        """Return version -> cumulative counts."""
        ...
