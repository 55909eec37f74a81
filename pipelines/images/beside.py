"""Beside: long transfers on a thread of their own, while the job's own thread keeps asking whether to go on.

A transfer may hang for a minute in one read; the worker's lease must be renewed all the same.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

from pipelines.ports import KeepGoing, Stopped

Result = TypeVar("Result")
POLL = 0.25  # seconds between questions


class Halt:
    """Says whether to stop; given to what runs beside."""

    def __init__(self) -> None:
        self._event = threading.Event()

    def stop(self) -> None:
        """Ask to stop."""
        self._event.set()

    def check(self) -> None:
        """Raise Stopped once asked to."""
        if self._event.is_set():
            raise Stopped

    def pause(self, seconds: float) -> None:
        """Wait; ends at once, raising Stopped, when asked to stop."""
        if self._event.wait(seconds):
            raise Stopped


def run_beside(work: Callable[[Halt], Result], keep_going: KeepGoing) -> Result:
    """Return or raise what `work` does; raises Stopped, once the work has ended, after `keep_going` said no."""
    halt, future = Halt(), Future[Result]()

    def run() -> None:
        try:
            future.set_result(work(halt))
        except BaseException as error:
            future.set_exception(error)

    thread = threading.Thread(target=run, name="beside", daemon=True)
    thread.start()
    stopped = False
    while thread.is_alive():
        if not stopped and not keep_going():
            stopped = True
            halt.stop()
        thread.join(POLL)
    if stopped:
        raise Stopped
    return future.result()
