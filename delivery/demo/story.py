"""Story: starts the embedded stack, plays the chapters, sums up. Exit code 0 only if each claim was observed.

Neighbours: chapters (the parts), delivery.embedded (the stack), delivery.cli (calls `play`).
"""

from __future__ import annotations

import shutil
import signal
import threading
from pathlib import Path

from delivery.demo.chapters import canary, chaos, farewell, first_push, preview, rollback
from delivery.demo.claims import Ledger
from delivery.demo.console import Teller
from delivery.demo.doors import Doors
from delivery.demo.stage import PROJECT, Stage
from delivery.demo.workspace import Workspace
from delivery.embedded import Stack
from delivery.errors import ColorlaneError, Rejected
from delivery.settings import Settings

CHAPTERS = (first_push, preview, canary, rollback, chaos, farewell)
_MARK = ".colorlane-demo"


def play(state_dir: Path, *, end: bool, as_json: bool) -> int:
    """Play all chapters and return the exit code. Without `end` the stack stays up until interrupted."""
    teller, ledger = Teller(as_json), Ledger()
    settings = Settings(state_dir=_fresh(state_dir))
    stack = Stack(settings)
    try:
        with teller.doing("starting Redis, mesh, gateway, agent, API and workers"):
            stack.start(lambda event: None)
        stage = _stage(settings, stack, teller, ledger)
        for chapter in CHAPTERS:
            chapter.play(stage)
        teller.close(ledger)
        if not end:
            teller.does(
                f"the stack stays up: {stage.api}/ and http://{stage.host}:{settings.gateway_port}/ (Ctrl-C ends)"
            )
            _until_interrupted()
    except ColorlaneError as error:
        teller.claim(ledger, "The story could be played to its end", False, str(error))
        teller.close(ledger)
    finally:
        stack.stop()
    return 0 if ledger.ok else 1


def _stage(settings: Settings, stack: Stack, teller: Teller, ledger: Ledger) -> Stage:
    api = f"http://127.0.0.1:{settings.api_port}"
    doors = Doors(api, settings.api_token)
    project = doors.post("projects", name=PROJECT)
    remote = f"{api}/git/{PROJECT}.git"
    workspace = Workspace(settings.state_dir / "workspace" / PROJECT, remote)
    return Stage(
        stack=stack,
        doors=doors,
        workspace=workspace,
        teller=teller,
        ledger=ledger,
        api=api,
        gateway=f"http://127.0.0.1:{settings.gateway_port}",
        host=str(project["domain"]),
        state_dir=settings.state_dir,
    )


def _fresh(state_dir: Path) -> Path:
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


def _until_interrupted() -> None:
    told = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: told.set())
    told.wait()
