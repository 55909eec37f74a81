"""Builds on our own pipelines package. Port: `delivery.ports.builds`. Neighbours: pipelines, render_kustomize."""

from __future__ import annotations

from pathlib import Path


class PipelineBuilds:
    """`state` is the state directory."""

    def __init__(self, state: Path) -> None:
        self._state = state
