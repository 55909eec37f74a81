"""Nouns of `colorlane.yaml`: services, environments, strategies. Pure; made by `parse`, read by `plans` and delivery.

Times are seconds, shares are fractions of 1, weights are whole percent.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase


@dataclass(frozen=True)
class CommandSpec:
    """One shell command of a job and how many seconds it may take."""

    command: str
    timeout: float


@dataclass(frozen=True)
class ImageSpec:
    """Where a service's image comes from; exactly one of `base`, `dockerfile` and `reference` is given.

    `base`: the built tree becomes one layer on top of it; `dockerfile`: built from that file in the service's folder,
    with `target` and `args`; `reference`: an image somebody else built, by digest. Platforms without images ignore it.
    """

    base: str = ""
    dockerfile: str = ""
    target: str = ""
    args: Mapping[str, str] = field(default_factory=dict)
    reference: str = ""
    timeout: float = 1800.0  # seconds for building the Dockerfile


@dataclass(frozen=True)
class ServiceSpec:
    """One service. `watch` are gitignore-like patterns: a change of a file they match builds the service anew."""

    name: str
    path: str
    watch: tuple[str, ...]
    build: CommandSpec | None = None
    test: CommandSpec | None = None
    image: ImageSpec | None = None


@dataclass(frozen=True)
class EnvironmentSpec:
    """One kind of environment: `branch` makes exactly one (its name), `branches` one for each matching branch."""

    name: str
    strategy: str
    branch: str = ""
    branches: tuple[str, ...] = ()
    auto_stop_in: float | None = None
    fallback: str = "fallback"


@dataclass(frozen=True)
class SetWeight:
    """Give the candidate `percent` of the requests (0-100)."""

    percent: int


@dataclass(frozen=True)
class Pause:
    """Wait `seconds`, or, when None, for an approval."""

    seconds: float | None = None


@dataclass(frozen=True)
class Analysis:
    """Hold until the gate passes, at most `max_seconds`."""

    max_seconds: float = 600.0


Step = SetWeight | Pause | Analysis


@dataclass(frozen=True)
class GateSpec:
    """What the gate demands; defaults equal those of delivery's gate."""

    confidence: float = 0.99
    error_tolerance: float = 0.01
    latency_tolerance: float = 0.10
    min_requests: int = 50
    warmup: float = 0.0


@dataclass(frozen=True)
class StrategySpec:
    """How a service is released. No steps: instant (ready, switch, retire the old one)."""

    name: str
    steps: tuple[Step, ...] = ()
    gate: GateSpec = field(default_factory=GateSpec)
    on_inconclusive: str = "pause"
    progress_deadline: float = 120.0
    on_newer: str = "supersede"


@dataclass(frozen=True)
class Spec:
    """A valid `colorlane.yaml`. Every strategy an environment names is in `strategies`.

    `lines` maps a field's path (`services.reviews.path`) to its line, for problems found later against the tree.
    """

    entry: str
    manifests: str
    services: Mapping[str, ServiceSpec]
    environments: Mapping[str, EnvironmentSpec]
    strategies: Mapping[str, StrategySpec]
    project: str = ""
    lines: Mapping[str, int] = field(default_factory=dict, compare=False, repr=False)

    def environment_for(self, branch: str) -> EnvironmentSpec | None:
        """Return the environment a push to `branch` goes to, None for none.

        A `branch` that equals wins over patterns; patterns are tried in the order of the file. `*` also matches "/".
        """
        for environment in self.environments.values():
            if environment.branch == branch:
                return environment
        for environment in self.environments.values():
            if any(fnmatchcase(branch, pattern) for pattern in environment.branches):
                return environment
        return None
