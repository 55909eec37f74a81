"""Sweeper: a thread of the control worker that nudges every due row: a lost message costs half a second at most.

Of many control workers one sweeps, by lease. Rollouts are ticked here and nowhere else: often while they wait for
readiness or proxies, less often while they watch metrics. A row is not nudged again while its last nudge is young.
"""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass

import structlog

from delivery.flows.leases import adopt
from delivery.flows.sweep import due_rollouts, due_rows
from delivery.flows.world import World

log = structlog.get_logger(__name__)

PATIENCE = 5.0  # seconds before a row that is still due is nudged again; builds queue up behind each other for longer
QUICK = {"reap_environment": 0.5, "advance_run": 0.5, "process_delivery": 1.0}  # cheap looks that people wait for
FORGET = 600.0  # seconds after which a row that is no longer due is no longer remembered
LEASE = 3.0
HISTORY = 3600.0  # seconds between looks for what is too old to be kept
COLLECTION = 300.0  # seconds between collections of artifacts that no deleted environment set off
ADOPTION = 2.0  # seconds between looks for leases of dead processes


@dataclass(frozen=True)
class Pace:
    """Seconds; see settings for the reasons."""

    sweep: float = 0.5
    tick: float = 0.3
    hot: float = 0.1
    detect: float = 5.0
    detect_remote: float = 120.0


class Sweeper:
    """`nudge` sends a task; `is_dead` judges owners of leases."""

    def __init__(
        self, world: World, pace: Pace, nudge: Callable[[str, str], None], is_dead: Callable[[str], bool]
    ) -> None:
        self._world, self._pace, self._nudge, self._is_dead = world, pace, nudge, is_dead
        self._actor = f"{world.owner}#{uuid.uuid4().hex[:8]}"
        self._mine = False
        self._nudged: dict[tuple[str, str], float] = {}
        self._next: dict[str, float] = {
            "collect": time.monotonic() + COLLECTION,
            "forget": time.monotonic() + COLLECTION,
        }
        self._stop = threading.Event()

    def start(self) -> threading.Thread:
        """Sweep in a thread of its own until `stop`."""
        thread = threading.Thread(target=self.run, name="sweeper", daemon=True)
        thread.start()
        return thread

    def stop(self) -> None:
        """End the thread soon."""
        self._stop.set()

    def run(self) -> None:
        """Sweep until stopped; an error costs one round."""
        while not self._stop.is_set():
            started = time.monotonic()
            try:
                self.round(started)
            except Exception:
                log.exception("sweep failed")
            self._stop.wait(max(0.02, self._pace.hot - (time.monotonic() - started)))

    def round(self, now: float) -> None:
        """Nudge what is due at `now` (monotonic seconds)."""
        if self._is_time("adopt", now, ADOPTION):
            adopt(self._world, self._is_dead)
        if self._is_time("lease", now, LEASE / 3):
            self._mine = self._world.store.claim("sweeper", self._actor, LEASE, self._world.clock.now())
        if not self._mine:
            return
        for rollout, hot in due_rollouts(self._world):
            self._send("advance_rollout", rollout, now, self._pace.hot if hot else self._pace.tick)
        if self._is_time("sweep", now, self._pace.sweep):
            for task, id in due_rows(self._world):
                self._send(task, id, now, QUICK.get(task, PATIENCE))
            self._detect(now)
            if self._is_time("collect", now, COLLECTION):
                self._send("collect_artifacts", "", now, COLLECTION)
            if self._is_time("forget", now, HISTORY):
                self._send("forget_history", "", now, HISTORY)
            self._nudged = {key: at for key, at in self._nudged.items() if now - at < FORGET}

    def _detect(self, now: float) -> None:
        for project in self._world.store.projects.find():
            every = self._pace.detect if project.forge == "embedded" else self._pace.detect_remote
            self._send("detect_pushes", project.name, now, every)

    def _is_time(self, what: str, now: float, every: float) -> bool:
        if now < self._next.get(what, 0.0):
            return False
        self._next[what] = now + every
        return True

    def _send(self, task: str, id: str, now: float, every: float) -> None:
        """Nudge unless it was nudged less than `every` seconds ago; a little early is as good, rounds are not exact."""
        last = self._nudged.get((task, id))
        if last is not None and now - last < every - 0.01:
            return
        self._nudged[task, id] = now
        self._nudge(task, id)
