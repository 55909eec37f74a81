"""The worker processes: `python -m delivery worker control` (or `build`).

`celery -A delivery.celeryapp worker -Q control -P threads` serves the same. The application is made when it is first
asked for, so importing this module does nothing. The worker that serves the control queue also runs the sweeper, from
before its first connection: Redis may be away for as long as it likes.
Neighbours: bootstrap, worker.
"""

from __future__ import annotations

import platform
import threading
from functools import cache, partial
from typing import Any

import structlog
from celery import Celery, bootsteps

from delivery.bootstrap import Colorlane, build, describe
from delivery.flows.leases import adopt
from delivery.settings import Settings
from delivery.worker.logs import configure
from delivery.worker.owners import is_dead
from delivery.worker.sweeper import Pace, Sweeper
from delivery.worker.tasks import nudger, register
from delivery.worker.wakeups import BUILD, CONTROL, Wakeups, producer

log = structlog.get_logger(__name__)

_lock = threading.Lock()


@cache
def _parts() -> Colorlane:
    return build()


def parts() -> Colorlane:
    """Return this process's parts, made once."""
    with _lock:
        return _parts()


class Sweeping(bootsteps.StartStopStep):  # type: ignore[misc]  # Celery has no types
    """Adopts what a killed predecessor held, then sweeps if this worker serves the control queue."""

    requires = {"celery.worker.components:Pool"}  # noqa: RUF012  Celery reads it from the class

    def __init__(self, worker: Any, **options: Any) -> None:
        super().__init__(worker, **options)
        self._sweeper: Sweeper | None = None

    def start(self, worker: Any) -> None:
        """Begin; the worker connects to Redis after this."""
        here = parts()
        judge = partial(is_dead, place=here.settings.owner)
        adopted = adopt(here, judge)
        log.info("worker", queues=sorted(worker.app.amqp.queues.consume_from), adopted=adopted, **describe(here))
        if CONTROL in worker.app.amqp.queues.consume_from:
            nudge = nudger(here, Wakeups(here.settings.redis_url))
            self._sweeper = Sweeper(here, _pace(here.settings), nudge, judge)
            self._sweeper.start()

    def stop(self, worker: Any) -> None:
        """End the thread."""
        if self._sweeper is not None:
            self._sweeper.stop()


def _pace(settings: Settings) -> Pace:
    return Pace(
        settings.sweep_interval,
        settings.tick_interval,
        settings.hot_interval,
        settings.detect_interval,
        settings.remote_detect_interval,
    )


@cache
def _app() -> Celery:
    configure()
    app = producer(Settings().redis_url)
    register(app, parts)
    app.steps["worker"].add(Sweeping)
    return app


def serve(queue: str) -> int:
    """Serve a queue until told to stop; return the exit code. Celery's own command line would load for 0.3 s more.

    Workers need not know each other: without gossip and mingle, which cost a second at each start.
    """
    settings = Settings()
    threads = {CONTROL: settings.control_threads, BUILD: settings.build_threads}[queue]
    worker = _app().Worker(
        hostname=f"{queue}@{platform.node()}",
        pool="threads",
        queues=[queue],
        concurrency=threads,
        loglevel="WARNING",
        without_gossip=True,
        without_mingle=True,
    )
    worker.start()
    return int(worker.exitcode or 0)


def __getattr__(name: str) -> Celery:
    """Make `app` on first use; Celery looks it up by this name."""
    if name == "app":
        return _app()
    raise AttributeError(name)
