"""Waits: what a rollout is waiting for, in words that name the slowest proxy, the missing person or the missing data.

Pure; neighbours: decide (asks once at the end of each tick), the pages that print it.
"""

from __future__ import annotations

from delivery.rollouts.model import TERMINAL, Analysis, Facts, Pause, Phase, Rollout
from delivery.rollouts.moves import ROUTABLE, acknowledged
from delivery.rollouts.transitions import RolloutEvent
from delivery.workloads import Health

SETTLE_SECONDS = 2.0  # between the last proxy's ACK and the old version's retirement: requests in flight end


def waiting_on(rollout: Rollout, facts: Facts, now: float) -> tuple[str, ...]:
    """Return what must happen before the rollout moves; empty when it has ended."""
    if rollout.phase in TERMINAL:
        return ()
    if rollout.phase is Phase.DEPLOYING:
        return (_candidate(rollout, facts, now),)
    if not acknowledged(rollout, facts.traffic):
        return _proxies(rollout, facts)
    if rollout.phase is Phase.PAUSED:
        return (_person(rollout),)
    if rollout.phase is Phase.PROGRESSING:
        return _step(rollout, facts, now)
    if rollout.phase is Phase.PROMOTING:
        return _promotion(rollout, facts, now)
    if rollout.weight:
        return (
            f"stable version {rollout.stable} ({facts.stable}): weight stays on {rollout.candidate} until it answers",
        )
    return ()


def _candidate(rollout: Rollout, facts: Facts, now: float) -> str:
    left = rollout.phase_started_at + rollout.strategy.progress_deadline - now
    reason = f": {facts.candidate_reason}" if facts.candidate_reason else ""
    return f"{rollout.candidate} to become ready ({facts.candidate}{reason}); {max(0.0, left):.0f} s left"


def _proxies(rollout: Rollout, facts: Facts) -> tuple[str, ...]:
    if facts.traffic.generation < rollout.generation:
        return (f"the mesh to take generation {rollout.generation} (it holds {facts.traffic.generation})",)
    return facts.traffic.waiting_on or (f"proxies to accept generation {rollout.generation}",)


def _person(rollout: Rollout) -> str:
    if rollout.cause == RolloutEvent.GATE_UNDECIDED_HOLD:
        return f"a decision: resume, approve step {rollout.step + 1}, promote or abort"
    return "an operator: resume, promote or abort"


def _step(rollout: Rollout, facts: Facts, now: float) -> tuple[str, ...]:
    """A step is held up by its own condition, and by anything that forbids going on at all."""
    step = rollout.strategy.steps[rollout.step]
    elapsed = now - (rollout.step_started_at if rollout.step_started_at is not None else now)
    own: tuple[str, ...] = ()
    if isinstance(step, Pause) and step.seconds is None:
        own = (f"an approval of step {rollout.step + 1} (commit {rollout.revision[:8]}, {rollout.artifact[:19]})",)
    elif isinstance(step, Pause) and step.seconds is not None and elapsed < step.seconds:
        own = (f"{step.seconds - elapsed:.0f} s of the pause",)
    elif isinstance(step, Analysis):
        needs = str(rollout.verdict.get("needs", "")) or "the gate's verdict"
        own = (f"the gate: {needs}",)
    return own + obstacles(rollout, facts)


def obstacles(rollout: Rollout, facts: Facts) -> tuple[str, ...]:
    """Return what forbids giving the candidate more traffic now, whatever the step says."""
    found = []
    if rollout.weight > 0 and facts.sample is None:
        found.append("metrics: no reading of both versions; nothing moves without data")
    if facts.candidate is not Health.READY:
        reason = f": {facts.candidate_reason}" if facts.candidate_reason else ""
        found.append(f"{rollout.candidate} to be ready again ({facts.candidate}{reason})")
    if rollout.stable and facts.stable not in ROUTABLE:
        found.append(f"stable version {rollout.stable} ({facts.stable}) to be ready again, or an operator: promote")
    return tuple(found)


def _promotion(rollout: Rollout, facts: Facts, now: float) -> tuple[str, ...]:
    if rollout.made_stable_at is None:
        return ()
    if facts.candidate is not Health.READY:
        return (f"{rollout.candidate} to be ready ({facts.candidate}) before {rollout.stable} is retired",)
    left = rollout.made_stable_at + SETTLE_SECONDS - now
    return (f"requests in flight to the old version ({max(0.0, left):.0f} s)",)
