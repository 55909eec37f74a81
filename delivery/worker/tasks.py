"""Tasks: binds each task name to a flow. A body calls it and turns errors into log lines; it never retries by itself.

Neighbours: wakeups (names and queues), flows, sweeper (which is the retry).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

import structlog
from celery import Celery

from delivery.errors import NotFound, Rejected, Transient
from delivery.flows.advance_rollout import advance_rollout
from delivery.flows.advance_run import advance_run
from delivery.flows.collect_artifacts import collect_artifacts
from delivery.flows.detect_pushes import detect_pushes
from delivery.flows.execute_job import execute_job
from delivery.flows.forget_history import forget_history
from delivery.flows.process_delivery import process_delivery
from delivery.flows.reap_environment import reap_environment
from delivery.flows.remove_project import finish_removal
from delivery.flows.send_status import send_status
from delivery.flows.world import World
from delivery.worker.wakeups import Wakeups

log = structlog.get_logger(__name__)

Flow = Callable[[World, str], object]

FLOWS: Mapping[str, Flow] = MappingProxyType(
    {
        "process_delivery": process_delivery,
        "advance_run": advance_run,
        "advance_rollout": advance_rollout,
        "reap_environment": reap_environment,
        "send_status": send_status,
        "detect_pushes": detect_pushes,
        "remove_project": finish_removal,
        "collect_artifacts": lambda world, id: collect_artifacts(world),
        "forget_history": lambda world, id: forget_history(world),
        "execute_job": execute_job,
    }
)


class _Said:
    """What was last said about a row: a tick that meets the same trouble ten times a second says it once."""

    def __init__(self) -> None:
        self._last: dict[tuple[str, str], str] = {}

    def is_news(self, task: str, id: str, text: str) -> bool:
        """Return whether this differs from the last; remembers it. Racing threads may say a thing twice."""
        if self._last.get((task, id)) == text:
            return False
        if len(self._last) > 10_000:
            self._last.clear()
        self._last[task, id] = text
        return True

    def forget(self, task: str, id: str) -> None:
        """The trouble is over."""
        self._last.pop((task, id), None)


_said = _Said()


def perform(world: World, task: str, id: str) -> None:
    """Run the flow; whatever happens, the row says what is still due."""
    try:
        FLOWS[task](world, id)
        _said.forget(task, id)
    except NotFound as error:
        log.info("row is gone", task=task, id=id, reason=error.message)
    except Transient as error:
        if _said.is_news(task, id, error.message):
            log.info("delayed", task=task, id=id, reason=error.message)
    except Rejected as error:
        log.warning("refused", task=task, id=id, reason=error.message)
    except Exception as error:
        if _said.is_news(task, id, repr(error)):
            log.exception("failed", task=task, id=id)


def nudger(world: World, wake: Wakeups) -> Callable[[str, str], None]:
    """Return what the sweeper nudges with: while the broker is away it ticks rollouts itself, under the same leases."""

    def nudge(task: str, id: str) -> None:
        wake(task, id)
        if wake.away and task == "advance_rollout":
            perform(world, task, id)

    return nudge


def register(app: Celery, world: Callable[[], World]) -> None:
    """Give the application its tasks; `world` is asked at the first message, never at import."""
    for name in FLOWS:
        app.task(_body(world, name), name=f"colorlane.{name}")


def _body(world: Callable[[], World], name: str) -> Callable[[str], None]:
    def body(id: str) -> None:
        perform(world(), name, id)

    body.__name__ = name
    return body
