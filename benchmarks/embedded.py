"""The embedded stack on free ports for benchmarks, and the edits to the sample that they need."""

from __future__ import annotations

import json
import socket
import statistics
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from delivery.demo.claims import Ledger
from delivery.demo.console import Teller
from delivery.demo.opening import fresh, opened
from delivery.demo.stage import PROJECT, Stage
from delivery.settings import Settings


def free_ports(count: int) -> list[int]:
    """Return ports that are free now."""
    sockets = [socket.socket() for _ in range(count)]
    for each in sockets:
        each.bind(("127.0.0.1", 0))
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


@contextmanager
def stage() -> Iterator[Stage]:
    """Raise the stage in a temporary directory."""
    api, gateway, xds, mesh = free_ports(4)
    with tempfile.TemporaryDirectory(prefix="colorlane-bench-") as directory:
        settings = Settings(
            state_dir=fresh(Path(directory) / "state"),
            api_port=api,
            gateway_port=gateway,
            xds_port=xds,
            mesh_port=mesh,
            mesh_url=f"http://127.0.0.1:{mesh}",
        )
        with opened(settings, Teller(as_json=True), Ledger()) as raised:
            yield raised


def set_canary(stage: Stage, steps: Sequence[Any], **gate: Any) -> None:
    """Replace the steps of the sample's canary strategy in the working copy."""
    path = stage.workspace.directory / "colorlane.yaml"
    document = yaml.safe_load(path.read_text())
    document["strategies"]["canary"]["steps"] = list(steps)
    document["strategies"]["canary"].setdefault("gate", {}).update(gate)
    path.write_text(yaml.safe_dump(document, sort_keys=False))


def first_push(stage: Stage) -> None:
    """Push the sample to main and wait until it serves."""
    revision = stage.workspace.push("first", "main")
    run = stage.doors.ended_run(PROJECT, revision)
    if run["state"] != "succeeded":
        raise SystemExit(f"first push failed: {run['message']}")


def report(name: str, figures: dict[str, Any], as_json: bool) -> None:
    """Print figures, for people or machines."""
    if as_json:
        json.dump({"benchmark": name, **figures}, sys.stdout, indent=2)
        sys.stdout.write("\n")
        return
    print(name)
    for key, value in figures.items():
        print(f"  {key:<58} {value}")


def spread(values: Sequence[float]) -> str:
    """Return "median [min-max] n" of values."""
    return f"{statistics.median(values):.3f} [{min(values):.3f}-{max(values):.3f}] n={len(values)}"
