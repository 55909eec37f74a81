"""A whole world in memory: every port a fake, and a driver that does what workers and sweeper do, one task at a time.

`fuse` kills: the n-th write to any part raises `Killed`, as kill -9 would between two effects.
"""

from __future__ import annotations

from collections import deque
from pathlib import Path

from delivery.errors import NotFound, Transient
from delivery.flows.leases import adopt
from delivery.flows.register_project import register_project
from delivery.flows.sweep import due_rollouts, due_rows
from delivery.flows.world import World
from delivery.rollouts.model import Strategy
from delivery.worker.tasks import FLOWS
from tests.fakes.builds import FakeBuilds
from tests.fakes.clock import FakeClock
from tests.fakes.forge import FakeForge
from tests.fakes.metrics import FakeMetrics
from tests.fakes.platform import FakePlatform
from tests.fakes.store import FakeStore
from tests.fakes.traffic import FakeTraffic


class Killed(BaseException):
    """The process is gone: nothing may catch this but the driver."""


class FakeWorld:
    """The parts, and the `World` made of them. `shop` is registered, with the default branch main."""

    def __init__(self, strategy: Strategy | None = None) -> None:
        self.fuse = -1
        self.writes = 0
        self.queue: deque[tuple[str, str]] = deque()
        self.clock = FakeClock()
        self.store = FakeStore(self.burn)
        self.platform = FakePlatform(self.burn)
        self.traffic = FakeTraffic(self.burn)
        self.metrics = FakeMetrics()
        self.forge = FakeForge()
        self.builds = FakeBuilds(self.forge, strategy)
        self.lives = 0
        self.world = self.wired()
        register_project(self.world, "shop")

    def wired(self) -> World:
        """Return what one process would have; each life has a name of its own."""
        self.lives += 1
        return World(
            store=self.store,
            platform=self.platform,
            traffic=self.traffic,
            metrics=self.metrics,
            forges={"embedded": self.forge},
            builds=self.builds,
            clock=self.clock,
            wake=self.wake,
            owner=f"test/{self.lives}/0",
            logs=Path("/nowhere"),
        )

    def wake(self, task: str, id: str) -> None:
        self.queue.append((task, id))

    def burn(self, what: str) -> None:
        self.writes += 1
        if self.fuse == 0:
            self.fuse = -1
            raise Killed(what)
        self.fuse -= 1 if self.fuse > 0 else 0

    def step(self, task: str, id: str) -> None:
        """Run one task; a kill loses the queue, and the next life adopts what the dead one held."""
        try:
            FLOWS[task](self.world, id)
        except (NotFound, Transient):
            pass
        except Killed:
            self.queue.clear()
            dead = self.world.owner
            self.world = self.wired()
            adopt(self.world, lambda owner: owner == dead)

    def round(self) -> None:
        """Do what is queued, then what the sweeper would find."""
        while self.queue:
            self.step(*self.queue.popleft())
        for project in self.store.projects.find():
            self.step("detect_pushes", project.name)
        for rollout, _ in due_rollouts(self.world):
            self.step("advance_rollout", rollout)
        for task, id in list(due_rows(self.world)):
            self.step(task, id)

    def settle(self, seconds: float = 60.0, every: float = 0.5) -> None:
        """Let that much time pass, in rounds."""
        for _ in range(round(seconds / every)):
            self.round()
            self.clock.pass_(every)
