"""Traffic in memory: a mesh whose proxies accept at once, or when told. `before` sees each write first."""

from __future__ import annotations

from collections.abc import Callable

from delivery.errors import Conflict, Transient
from delivery.intents import Intent, TrafficState

Lane = tuple[str, str, str]


class FakeTraffic:
    """Newest generations are remembered after removal, as the mesh does."""

    def __init__(self, before: Callable[[str], None] = lambda what: None) -> None:
        self.before = before
        self.intents: dict[Lane, Intent] = {}
        self.newest: dict[Lane, int] = {}
        self.projects: dict[str, tuple[str, str, int]] = {}
        self.environments: dict[tuple[str, str], tuple[str, str]] = {}
        self.holding: set[Lane] = set()  # lanes whose proxies have not accepted yet
        self.away = False

    def _reach(self, what: str) -> None:
        if self.away:
            raise Transient("the mesh is away")
        self.before(what)

    def set_intent(self, intent: Intent) -> None:
        self._reach("set_intent")
        assert sum(intent.weights.values()) == 100
        lane = (intent.project, intent.service, intent.color)
        if intent.generation < self.newest.get(lane, 0):
            raise Conflict(f"generation {intent.generation} is older than {self.newest[lane]}")
        if intent.generation == self.newest.get(lane):
            return
        self.intents[lane], self.newest[lane] = intent, intent.generation

    def remove_intent(self, project: str, service: str, color: str, generation: int) -> None:
        self._reach("remove_intent")
        lane = (project, service, color)
        if generation < self.newest.get(lane, 0):
            raise Conflict(f"generation {generation} is older than {self.newest[lane]}")
        self.intents.pop(lane, None)
        self.newest[lane] = generation

    def state(self, project: str, service: str, color: str) -> TrafficState:
        if self.away:
            raise Transient("the mesh is away")
        lane = (project, service, color)
        waiting = ("gateway/main: not yet acknowledged",) if lane in self.holding else ()
        return TrafficState(self.newest.get(lane, 0), not waiting, waiting, withdrawn=lane not in self.intents)

    def put_project(self, project: str, domain: str, entry_service: str, entry_port: int) -> None:
        self._reach("put_project")
        self.projects[project] = (domain, entry_service, entry_port)

    def remove_project(self, project: str) -> None:
        """What was asked for the project goes with it, as in the mesh."""
        self._reach("remove_project")
        self.projects.pop(project, None)
        for held in (self.intents, self.newest, self.environments):
            for key in [key for key in held if key[0] == project]:
                del held[key]

    def put_environment(self, project: str, color: str, base: str, fallback: str) -> None:
        self._reach("put_environment")
        self.environments[project, color] = (base, fallback)

    def remove_environment(self, project: str, color: str) -> None:
        self._reach("remove_environment")
        self.environments.pop((project, color), None)
