"""Story: plays the chapters on the raised stage and sums up. Exit code 0 only if each claim was observed.

Neighbours: chapters (the parts), opening (the stage), delivery.cli (calls `play`).
"""

from __future__ import annotations

import signal
import threading
from pathlib import Path

from delivery.demo.chapters import canary, chaos, farewell, first_push, preview, rollback
from delivery.demo.claims import Ledger
from delivery.demo.console import Teller
from delivery.demo.opening import fresh, opened
from delivery.errors import ColorlaneError
from delivery.settings import Settings

CHAPTERS = (first_push, preview, canary, rollback, chaos, farewell)


def play(state_dir: Path, *, end: bool, as_json: bool) -> int:
    """Play all chapters and return the exit code. Without `end` the stack stays up until interrupted."""
    teller, ledger = Teller(as_json), Ledger()
    settings = Settings(state_dir=fresh(state_dir))
    try:
        with opened(settings, teller, ledger) as stage:
            for chapter in CHAPTERS:
                chapter.play(stage)
            teller.close(ledger)
            if not end:
                teller.does(
                    f"the stack stays up: {stage.api}/ and http://{stage.host}:{settings.gateway_port}/ (Ctrl-C)"
                )
                _until_interrupted()
    except ColorlaneError as error:
        words = [str(error), getattr(error, "remedy", "")]
        teller.claim(ledger, "The story could be played to its end", False, "; ".join(filter(None, words)))
        teller.close(ledger)
    return 0 if ledger.ok else 1


def _until_interrupted() -> None:
    told = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: told.set())
    told.wait()
