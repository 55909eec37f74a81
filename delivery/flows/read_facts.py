"""Read the facts of one tick from platform, mesh and metrics. Neighbours: advance_rollout.

A part that is away is a fact, not an error: the decision holds, says so, and its deadlines go on.
"""

from __future__ import annotations

from delivery.errors import Transient
from delivery.flows.world import World
from delivery.gates.samples import Counts, Sample
from delivery.intents import TrafficState
from delivery.rollouts.model import Facts, Rollout
from delivery.workloads import Health, WorkloadKey, WorkloadStatus


def read_facts(world: World, rollout: Rollout, newer: str) -> Facts:
    """Return what is known now. Raises Transient only when the platform is away."""
    candidate = _status(world, rollout, rollout.candidate)
    stable = _status(world, rollout, rollout.stable)
    return Facts(
        candidate=candidate.health,
        candidate_reason=candidate.reason,
        stable=stable.health,
        traffic=_traffic(world, rollout),
        sample=_sample(world, rollout),
        newer=newer,
    )


def _status(world: World, rollout: Rollout, version: str) -> WorkloadStatus:
    key = WorkloadKey(rollout.project, rollout.service, rollout.color, version)
    return world.platform.status(key) if version else WorkloadStatus(key, Health.ABSENT)


def _traffic(world: World, rollout: Rollout) -> TrafficState:
    try:
        return world.traffic.state(rollout.project, rollout.service, rollout.color)
    except Transient as error:
        return TrafficState(rollout.generation, programmed=False, waiting_on=(f"mesh: {error.message}",))


def _sample(world: World, rollout: Rollout) -> Sample | None:
    """Read the metrics only while they can matter: a service without a stable version has nothing to compare."""
    if not rollout.stable or not rollout.asked_at:
        return None
    try:
        counts = world.metrics.read(rollout.project, rollout.service, rollout.color)
    except Transient:
        return None
    none = Counts()
    return Sample(world.clock.now(), counts.get(rollout.stable, none), counts.get(rollout.candidate, none))
