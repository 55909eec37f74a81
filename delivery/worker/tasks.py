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
from delivery.flows.detect_pushes import detect_pushes
from delivery.flows.execute_job import execute_job
from delivery.flows.process_delivery import process_delivery
from delivery.flows.reap_environment import reap_environment
from delivery.flows.remove_project import finish_removal
from delivery.flows.send_status import send_status
from delivery.flows.world import World

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
        "execute_job": execute_job,
    }
)


def perform(world: World, task: str, id: str) -> None:
    """Run the flow; whatever happens, the row says what is still due."""
    try:
        FLOWS[task](world, id)
    except NotFound as error:
        log.info("row is gone", task=task, id=id, reason=error.message)
    except Transient as error:
        log.info("delayed", task=task, id=id, reason=error.message)
    except Rejected as error:
        log.warning("refused", task=task, id=id, reason=error.message)
    except Exception:
        log.exception("failed", task=task, id=id)


def register(app: Celery, world: Callable[[], World]) -> None:
    """Give the application its tasks; `world` is asked at the first message, never at import."""
    for name in FLOWS:
        app.task(_body(world, name), name=f"colorlane.{name}")


def _body(world: Callable[[], World], name: str) -> Callable[[str], None]:
    def body(id: str) -> None:
        perform(world(), name, id)

    body.__name__ = name
    return body
