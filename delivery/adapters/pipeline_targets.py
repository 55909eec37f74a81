"""Where a branch goes, from a repository's spec in delivery's words. Neighbours: builds_pipelines, pipelines.specs."""

from __future__ import annotations

from delivery.colors import RESERVED
from delivery.errors import Rejected
from delivery.ports.builds import Target
from delivery.rollouts.model import Analysis, GatePolicy, Pause, SetWeight, Step, Strategy
from pipelines import specs
from pipelines.specs import SPEC_FILE, Spec, StrategySpec

PRODUCTION = "production"


def target_of(spec: Spec, branch: str) -> Target | None:
    """Return the environment the branch goes to, None for none. Raises Rejected for a name no colour may have."""
    environment = spec.environment_for(branch)
    if environment is None:
        return None
    strategy = _strategy(spec.strategies[environment.strategy])
    bound = frozenset(name for name, each in spec.environments.items() if each.branch and name != PRODUCTION)
    if refused := sorted(bound & RESERVED):
        raise Rejected(
            f"{SPEC_FILE}: environments.{refused[0]}: is a reserved name",
            field=f"environments.{refused[0]}",
            value=refused[0],
            remedy="choose another: it becomes the environment's colour and the first part of its host name",
        )
    color = environment.name if environment.name in bound else ""
    return Target(environment.name, strategy, environment.auto_stop_in, environment.fallback, color, bound)


def _strategy(spec: StrategySpec) -> Strategy:
    gate = GatePolicy(
        confidence=spec.gate.confidence,
        error_tolerance=spec.gate.error_tolerance,
        latency_tolerance=spec.gate.latency_tolerance,
        min_requests=spec.gate.min_requests,
        warmup=spec.gate.warmup,
    )
    return Strategy(
        steps=tuple(_step(step) for step in spec.steps),
        gate=gate,
        on_inconclusive=spec.on_inconclusive,
        progress_deadline=spec.progress_deadline,
        on_newer=spec.on_newer,
    )


def _step(step: specs.Step) -> Step:
    match step:
        case specs.SetWeight(percent):
            return SetWeight(percent)
        case specs.Pause(seconds):
            return Pause(seconds)
        case specs.Analysis(max_seconds):
            return Analysis(max_seconds)
