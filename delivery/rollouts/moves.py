"""Moves: what a rollout becomes, and asks for, when an event happens to it. Pure; neighbours: decide, transitions.

Every function returns the next rollout with the effects of getting there. Generations are counted here and nowhere
else: asking for other weights is always `generation + 1`, so a tick that is repeated after a crash asks for the same.
"""

from __future__ import annotations

from dataclasses import replace

from delivery.gates.judge import start_step
from delivery.gates.samples import Sample
from delivery.intents import Intent, TrafficState
from delivery.rollouts.model import (
    GENERATIONS_PER_ROLLOUT,
    TERMINAL,
    Analysis,
    AskTraffic,
    Decision,
    Effect,
    Facts,
    Pause,
    Phase,
    Report,
    Rollout,
    SetWeight,
    Step,
    WithdrawTraffic,
)
from delivery.rollouts.transitions import RolloutEvent, next_phase
from delivery.workloads import Health

ROUTABLE = frozenset({Health.READY, Health.DEGRADED})


def move(rollout: Rollout, event: RolloutEvent, now: float, message: str) -> Rollout:
    """Return the rollout in the phase `event` leads to. Raises Broken for a move the table does not list."""
    phase = next_phase(rollout.phase, event)
    return replace(rollout, phase=phase, cause=str(event), phase_started_at=now, message=message)


def intent_of(rollout: Rollout) -> Intent:
    """Return the intent that stands behind `weight` and `generation` in this phase; weights sum to 100.

    While steps run both versions are named, also at weight 0 and 100, so that the mesh has both clusters warm.
    """
    if rollout.phase is Phase.PROMOTING or rollout.stable == rollout.candidate:
        stable, weights = rollout.candidate, {rollout.candidate: 100}
    elif rollout.phase is Phase.ROLLING_BACK:
        stable, weights = rollout.stable, {rollout.stable: 100}
    else:
        stable = rollout.stable
        weights = {rollout.stable: 100 - rollout.weight, rollout.candidate: rollout.weight}
    return Intent(rollout.project, rollout.service, rollout.color, rollout.generation, stable, weights)


def ask(rollout: Rollout, weight: int, now: float) -> tuple[Rollout, Effect]:
    """Ask the mesh for `weight` percent on the candidate, under the next generation."""
    asked = replace(rollout, weight=weight, generation=rollout.generation + 1, asked_at=now)
    if asked.phase is Phase.ROLLING_BACK and not asked.stable:
        return asked, WithdrawTraffic(asked.generation)
    return asked, AskTraffic(intent_of(asked))


def adopt(rollout: Rollout, traffic: TrafficState, now: float) -> Rollout:
    """Notice an intent of ours that the mesh took but a crash kept us from remembering: ask anew, above it.

    Without this the next request would carry the forgotten one's generation with other weights, and the mesh, which
    takes an equal generation for a repetition, would not hear it.
    """
    block = rollout.generation // GENERATIONS_PER_ROLLOUT
    if traffic.generation <= rollout.generation or traffic.generation // GENERATIONS_PER_ROLLOUT != block:
        return rollout
    if rollout.phase is Phase.DEPLOYING and not rollout.stable:  # it can only have been "all to the candidate"
        return replace(rollout, generation=traffic.generation, weight=100, asked_at=now)
    adopted = replace(rollout, generation=traffic.generation + 1, asked_at=now)
    weighing = rollout.phase is Phase.PROGRESSING and isinstance(rollout.strategy.steps[rollout.step], SetWeight)
    return replace(adopted, step_started_at=None) if weighing else adopted


def ask_again(rollout: Rollout, traffic: TrafficState) -> tuple[Effect, ...]:
    """Repeat the newest request while the mesh does not hold it (lost, restarted, or not yet told)."""
    if rollout.phase in TERMINAL or rollout.asked_at is None or traffic.generation >= rollout.generation:
        return ()
    if rollout.phase is Phase.DEPLOYING and not rollout.stable:
        return ()  # nothing can be asked for before the first release is ready
    if rollout.phase is Phase.ROLLING_BACK and not rollout.stable:
        return (WithdrawTraffic(rollout.generation),)
    return (AskTraffic(intent_of(rollout)),)


def acknowledged(rollout: Rollout, traffic: TrafficState) -> bool:
    """Tell whether every relevant proxy has accepted what this rollout asked for last (or it asked for nothing)."""
    if rollout.asked_at is None:
        return True
    if rollout.phase is Phase.ROLLING_BACK and not rollout.stable and traffic.generation == 0:
        return True  # withdrawn: the mesh knows nothing of the service in this lane any more
    return traffic.generation >= rollout.generation and traffic.programmed


def begin_steps(rollout: Rollout, now: float) -> Decision:
    """The candidate is ready beside the stable version: take the first step."""
    text = f"{rollout.candidate} is ready beside {rollout.stable}; it takes traffic in steps"
    entered = enter_step(move(rollout, RolloutEvent.CANDIDATE_READY, now, text), 0, now)
    return replace(entered, effects=(*entered.effects, Report("running", text)))


def enter_step(rollout: Rollout, index: int, now: float) -> Decision:
    """Stand at step `index`: a weight is asked for at once, and its clock starts only when proxies have accepted it."""
    step = rollout.strategy.steps[index]
    told = replace(rollout, step=index, step_started_at=None, message=describe(rollout, index))
    if isinstance(step, SetWeight):
        asked, effect = ask(told, step.percent, now)
        return Decision(asked, (effect,))
    return Decision(replace(told, step_started_at=now))


def start_clock(rollout: Rollout, sample: Sample | None, now: float) -> Rollout:
    """Every relevant proxy has accepted the step's weight: its clock and the gate's proof begin here."""
    return replace(rollout, step_started_at=now, gate=start_step(rollout.gate, sample))


def promote(rollout: Rollout, event: RolloutEvent, now: float, message: str) -> Decision:
    """Give the candidate all traffic, as the version that is always routable."""
    moved = replace(move(rollout, event, now, message), step=len(rollout.strategy.steps), step_started_at=None)
    asked, effect = ask(moved, 100, now)
    return Decision(asked, (effect,))


def roll_back(rollout: Rollout, event: RolloutEvent, facts: Facts, now: float, message: str) -> Decision:
    """Take the weight from the candidate; `message` is the sentence the rollout ends with."""
    moved = replace(move(rollout, event, now, message), step_started_at=None)
    return withdraw(moved, facts, now)


def withdraw(rollout: Rollout, facts: Facts, now: float) -> Decision:
    """Ask for weight 0, unless that would send traffic to a dead stable version while the candidate lives."""
    if rollout.weight == 0:
        return Decision(rollout)
    if rollout.stable and facts.stable not in ROUTABLE and facts.candidate is Health.READY:
        return Decision(rollout)
    asked, effect = ask(rollout, 0, now)
    return Decision(asked, (effect,))


def hold(rollout: Rollout, event: RolloutEvent, now: float, message: str) -> Decision:
    """Stand still with the weights as they are, until a person goes on."""
    return Decision(move(rollout, event, now, message), (Report("running", message),))


def resume(rollout: Rollout, now: float) -> Decision:
    """Go on at the same step. Time spent paused does not count; an analysis that ran out gets its time anew."""
    started = rollout.step_started_at
    if started is not None:
        undecided = rollout.cause == RolloutEvent.GATE_UNDECIDED_HOLD
        started = now if undecided else started + (now - rollout.phase_started_at)
    moved = move(rollout, RolloutEvent.RESUME, now, describe(rollout, rollout.step))
    return Decision(replace(moved, step_started_at=started))


def describe(rollout: Rollout, index: int) -> str:
    """Return one sentence on what step `index` does."""
    steps = rollout.strategy.steps
    return f"step {index + 1} of {len(steps)}: {_words(steps[index], rollout.candidate)}"


def _words(step: Step, candidate: str) -> str:
    match step:
        case SetWeight(percent):
            return f"{percent} % of requests to {candidate}"
        case Pause(None):
            return "waits for an approval"
        case Pause(seconds):
            return f"pauses for {seconds:g} s"
        case Analysis(limit):
            return f"the gate compares both versions, at most {limit:g} s"
