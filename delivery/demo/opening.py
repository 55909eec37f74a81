"""Opening: raises the stage in a fresh directory: stack, project, working copy. Neighbours: story, benchmarks."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from delivery.demo.claims import Ledger
from delivery.demo.console import Teller
from delivery.demo.doors import Doors
from delivery.demo.stage import PROJECT, Stage
from delivery.demo.workspace import Workspace
from delivery.embedded import Stack
from delivery.errors import Rejected
from delivery.settings import Settings

_MARK = ".colorlane-demo"


@contextmanager
def opened(settings: Settings, teller: Teller, ledger: Ledger) -> Iterator[Stage]:
    """Start the stack, register the sample as a project, and stop everything at the end of the block."""
    stack = Stack(settings)
    try:
        with teller.doing("starting Redis, mesh, gateway, agent, API and workers"):
            stack.start(lambda event: None)
        yield _stage(settings, stack, teller, ledger)
    finally:
        stack.stop()


def _stage(settings: Settings, stack: Stack, teller: Teller, ledger: Ledger) -> Stage:
    api = f"http://127.0.0.1:{settings.api_port}"
    doors = Doors(api, settings.api_token)
    project = doors.post("projects", name=PROJECT)
    return Stage(
        stack=stack,
        doors=doors,
        workspace=Workspace(settings.state_dir / "workspace" / PROJECT, f"{api}/git/{PROJECT}.git"),
        teller=teller,
        ledger=ledger,
        api=api,
        gateway=f"http://127.0.0.1:{settings.gateway_port}",
        host=str(project["domain"]),
        state_dir=settings.state_dir,
    )


def fresh(state_dir: Path) -> Path:
    """Empty the demo's own state directory; refuses one that the demo has not made."""
    if state_dir.exists() and any(state_dir.iterdir()):
        if not (state_dir / _MARK).exists():
            raise Rejected(
                f"{state_dir} is not empty and was not made by the demo",
                field="--state-dir",
                value=str(state_dir),
                remedy="name an empty directory",
            )
        shutil.rmtree(state_dir)
    state_dir.mkdir(parents=True, exist_ok=True)
    (state_dir / _MARK).touch()
    return state_dir.resolve()
