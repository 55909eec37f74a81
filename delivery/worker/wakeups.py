"""Wake-ups: puts a task's name and a row's id on a Celery queue, best effort. Neighbours: tasks, sweeper, bootstrap.

A message is never the truth, only a nudge: it may be lost, doubled or late. So sending neither blocks for long nor
raises, and every message expires; the sweeper finds the row in the database anyway.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from functools import cached_property
from types import MappingProxyType
from typing import Any

import structlog
from celery import Celery

log = structlog.get_logger(__name__)

CONTROL = "control"
BUILD = "build"

# Task name -> queue. Builds have their own, so that a tick of a rollout never waits behind one.
TASKS: Mapping[str, str] = MappingProxyType(
    {
        "process_delivery": CONTROL,
        "advance_run": CONTROL,
        "advance_rollout": CONTROL,
        "reap_environment": CONTROL,
        "send_status": CONTROL,
        "detect_pushes": CONTROL,
        "remove_project": CONTROL,
        "collect_artifacts": CONTROL,
        "forget_history": CONTROL,
        "execute_job": BUILD,
    }
)
REST = 1.0  # seconds a broker that is away is left alone: callers must not wait for it one after the other
EXPIRES = 30.0  # seconds; older nudges are worthless, and a worker that was away must not drown in them


def producer(redis_url: str) -> Celery:
    """Return a Celery application that can send and consume; everything about messages is decided here."""
    app = Celery("colorlane", broker=redis_url, set_as_current=False)
    app.conf.update(
        task_ignore_result=True,
        task_serializer="json",
        accept_content=["json"],
        task_create_missing_queues=True,
        task_default_queue=CONTROL,
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,
        broker_connection_timeout=1.0,
        broker_transport_options={"socket_timeout": 5.0, "socket_connect_timeout": 1.0, "max_retries": 0},
        # Acknowledged when received: a task that dies with its worker is found by the sweeper within half a second.
        # Late acknowledgement would only bring it back after Redis' visibility timeout, an hour later, for nothing.
        task_acks_late=False,
        worker_prefetch_multiplier=1,
        worker_hijack_root_logger=False,
        worker_send_task_events=False,
        worker_enable_remote_control=False,
    )
    return app


class Wakeups:
    """Sends nudges; see the module. Safe to share between threads."""

    def __init__(self, redis_url: str) -> None:
        self.redis_url = redis_url
        self._lock = threading.Lock()
        self._away = False
        self._asked = 0.0

    @property
    def away(self) -> bool:
        """Whether the last nudge could not be sent."""
        return self._away

    @cached_property
    def app(self) -> Celery:
        """The sending application, made at first use."""
        return producer(self.redis_url)

    def __call__(self, task: str, id: str, *, expires: float = EXPIRES) -> None:
        """Ask for `task` on the row `id`; see `delivery.flows.world.Wake`."""
        if self._away and time.monotonic() - self._asked < REST:
            return
        self._asked = time.monotonic()
        options: dict[str, Any] = {"queue": TASKS[task], "expires": expires, "retry": False, "ignore_result": True}
        try:
            with self._lock:
                self.app.send_task(f"colorlane.{task}", args=[id], **options)
        except Exception as error:  # whatever a broker that is away raises: the sweeper will find the row
            if not self._away:
                log.warning("broker away, wakes are lost", task=task, id=id, error=type(error).__name__)
            self._away = True
            return
        if self._away:
            log.info("broker is back")
        self._away = False
