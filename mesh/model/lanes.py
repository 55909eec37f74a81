"""Lanes: for each service and colour, which versions answer, and who answers in their place. Pure; from world to plan.

First the lane is chosen (by colour), then the target (by weight), then the place in the target's chain (by health).
Neighbours: world (input), translation (reads the plan).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from mesh.model.nouns import BASELINE, Fallback, Intent, LaneKey, State
from mesh.model.world import World


@dataclass(frozen=True, order=True)
class Member:
    """All replicas of one version of a service in one environment."""

    color: str
    version: str


@dataclass(frozen=True)
class Target:
    """One choice of the weights: `chain[0]` answers; the others, in order, where it cannot."""

    chain: tuple[Member, ...]

    @property
    def version(self) -> str:
        """The version that the weight is meant for."""
        return self.chain[0].version


@dataclass(frozen=True)
class Lane:
    """The targets of one service in the environment that owns the lane; the stable one is first."""

    color: str
    targets: tuple[Target, ...]


@dataclass(frozen=True)
class ServiceLanes:
    """All lanes of a service. `owned`: by owner's colour; `selects`: colour -> owner, where not the baseline."""

    service: str
    ports: tuple[tuple[int, str], ...]  # (number, protocol), sorted
    owned: Mapping[str, Lane]
    selects: Mapping[str, str]


def service_lanes(world: World, namespace: str, service: str) -> ServiceLanes:
    """Return the lanes of one service."""
    owners = {BASELINE, *world.colors(namespace)}
    owned = {
        color: _lane(world, intent)
        for color in sorted(owners)
        if (intent := live_intent(world, namespace, service, color)) is not None
    }
    selects = {}
    for color in world.colors(namespace):
        owner = next((step for step in line_of_bases(world, namespace, color) if step in owned), BASELINE)
        if owner != BASELINE:
            selects[color] = owner
    ports = tuple(sorted(world.ports.get((namespace, service), {}).items()))
    return ServiceLanes(service, ports, owned, selects)


def live_intent(world: World, namespace: str, service: str, color: str) -> Intent | None:
    """Return the lane's intent; where there is none, or it was withdrawn, what replicas that need none imply."""
    key = LaneKey(namespace, service, color)
    intent = world.intents.get(key)
    return implied_intent(world, key) if intent is None or intent.withdrawn else intent


def implied_intent(world: World, key: LaneKey) -> Intent | None:
    """The intent of plain pods, whose versions no delivery looks after: all to the first version that has a ready
    replica, or else to the first. Its generation is 0, so any real one is newer."""
    plain = [
        (each.state is not State.READY, each.version)
        for each in world.replicas_of(key.namespace, key.service)
        if not each.managed and each.color == key.color
    ]
    if not plain:
        return None
    _, stable = min(plain)
    return Intent(key, 0, stable, {stable: 100})


def line_of_bases(world: World, namespace: str, color: str) -> list[str]:
    """Return the colour, its base, the base's base ... and the baseline, where circles and unknown bases end."""
    line: list[str] = []
    while color != BASELINE and color not in line and (namespace, color) in world.environments:
        line.append(color)
        color = world.environments[namespace, color].base
    return [*line, BASELINE]


def _lane(world: World, intent: Intent) -> Lane:
    behind = _behind(world, intent.key)
    targets = []
    for version in intent.versions:
        own = dict.fromkeys((Member(intent.key.color, version), Member(intent.key.color, intent.stable)))
        targets.append(Target((*own, *behind)))
    return Lane(intent.key.color, tuple(targets))


def _behind(world: World, key: LaneKey) -> tuple[Member, ...]:
    """Stable members of the bases, nearest first, as far as the environments on the way let requests out."""
    found: list[Member] = []
    for color in line_of_bases(world, key.namespace, key.color):
        intent = live_intent(world, key.namespace, key.service, color)
        if intent is not None and color != key.color:
            found.append(Member(color, intent.stable))
        if is_strict(world, key.namespace, color):
            break
    return tuple(found)


def is_strict(world: World, namespace: str, color: str) -> bool:
    """Whether requests never leave the environment."""
    environment = world.environments.get((namespace, color))
    return environment is not None and environment.fallback is Fallback.STRICT
