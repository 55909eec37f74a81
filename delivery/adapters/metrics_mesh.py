"""Metrics from the bundled mesh's own telemetry. Port: `delivery.ports.metrics`."""

from __future__ import annotations

from collections.abc import Mapping

from delivery.adapters.mesh_errors import ours
from delivery.errors import NotFound
from delivery.gates.samples import Counts
from mesh.client import MeshClient


class MeshMetrics:
    """`url` is the base of the mesh's HTTP API, `token` what it asks for, "" for nothing."""

    def __init__(self, url: str, token: str = "") -> None:
        self._mesh = MeshClient(url, token)

    def read(self, project: str, service: str, color: str) -> Mapping[str, Counts]:
        """Return version -> cumulative counts."""
        try:
            with ours():
                answer = self._mesh.telemetry(project, service, color)
        except NotFound:
            return {}
        return {
            version: Counts(
                requests=int(one["requests"]),
                errors=int(one["errors"]),
                latency=tuple((float(upper), int(count)) for upper, count in one.get("latency", ())),
            )
            for version, one in answer.get("versions", {}).items()
        }
