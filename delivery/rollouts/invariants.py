"""Invariants: the laws of a rollout, checked apart from the planner that must keep them. Pure; neighbours: decide.

Tests run it over random histories; the shell may run it on each decision before it performs anything (`assert_sound`).
It shares no code with `decide` beyond the nouns and the table.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields

from delivery.errors import Broken
from delivery.gates.verdict import Outcome
from delivery.rollouts.model import (
    GENERATIONS_PER_ROLLOUT,
    TERMINAL,
    Analysis,
    AskTraffic,
    Decision,
    Facts,
    MakeStable,
    Pause,
    Phase,
    Retire,
    Rollout,
    SetWeight,
    WithdrawTraffic,
)
from delivery.rollouts.transitions import TABLE
from delivery.workloads import Health

FIXED = (
    "id", "project", "environment", "color", "service", "stable", "candidate", "artifact", "revision", "ref", "run",
    "strategy", "approvals", "commands", "created_at", "retry_of", "row_version",
)  # fmt: skip


def assert_sound(before: Rollout, facts: Facts, decision: Decision) -> None:
    """Raise Broken, naming every law the decision breaks."""
    broken = list(violations(before, facts, decision))
    if broken:
        raise Broken(f"rollout {before.id}: " + "; ".join(broken))


def violations(before: Rollout, facts: Facts, decision: Decision) -> Iterator[str]:
    """Yield each law of design section 5 that going from `before` to the decision breaks."""
    yield from _terminal(before, decision)
    yield from _identity(before, decision.rollout)
    yield from _intents(before, facts, decision)
    yield from _clock(before, facts, decision.rollout)
    yield from _steps(before, facts, decision.rollout)
    yield from _endings(before, facts, decision)


def _terminal(before: Rollout, decision: Decision) -> Iterator[str]:
    after = decision.rollout
    if before.phase in TERMINAL and (after != before or decision.effects):
        yield f"a rollout that is {before.phase} changed"
    if after.phase is not before.phase and after.phase not in TABLE[before.phase].values():
        yield f"no move leads from {before.phase} to {after.phase}"
    if (after.ended_at is not None) != (after.phase in TERMINAL):
        yield f"ended_at is {after.ended_at} although it is {after.phase}"


def _identity(before: Rollout, after: Rollout) -> Iterator[str]:
    known = {each.name for each in fields(Rollout)}
    for name in FIXED:
        if name in known and getattr(before, name) != getattr(after, name):
            yield f"{name} changed"
    if not before.commands_done <= after.commands_done <= len(after.commands):
        yield f"commands_done went from {before.commands_done} to {after.commands_done} of {len(after.commands)}"


def _intents(before: Rollout, facts: Facts, decision: Decision) -> Iterator[str]:
    """Weights sum to 100, the version that must be routable is, and generations only rise."""
    after = decision.rollout
    if after.generation < before.generation:
        yield f"generation fell from {before.generation} to {after.generation}"
    if after.generation // GENERATIONS_PER_ROLLOUT != before.generation // GENERATIONS_PER_ROLLOUT:
        yield f"generation {after.generation} is outside of this rollout's block"
    asked = [effect for effect in decision.effects if isinstance(effect, AskTraffic | WithdrawTraffic)]
    numbers = [each.intent.generation if isinstance(each, AskTraffic) else each.generation for each in asked]
    if after.generation > max(before.generation, facts.traffic.generation) and after.generation not in numbers:
        yield f"generation {after.generation} was counted but not asked for"
    if any(not before.generation <= number <= after.generation for number in numbers):
        yield f"asked for generations {numbers}, outside of {before.generation}..{after.generation}"
    if after.weight != before.weight and after.generation == before.generation:
        yield "the weight changed under the same generation"
    for effect in asked:
        if isinstance(effect, AskTraffic):
            yield from _intent(before, after, effect)
    if asked and after.weight > before.weight and facts.candidate not in (Health.READY, Health.DEGRADED):
        yield f"weight rose to {after.weight} % on a candidate that is {facts.candidate}"


def _intent(before: Rollout, after: Rollout, effect: AskTraffic) -> Iterator[str]:
    weights = effect.intent.weights
    if sum(weights.values()) != 100 or not all(0 <= percent <= 100 for percent in weights.values()):
        yield f"weights {dict(weights)} do not sum to 100"
    if not set(weights) <= {before.stable, before.candidate}:
        yield f"weights {dict(weights)} name a version that is neither stable nor candidate"
    promoting = Phase.PROMOTING in (before.phase, after.phase)
    allowed = {before.stable, before.candidate} if promoting else {before.stable}
    if effect.intent.stable not in allowed - {""}:
        yield f"{effect.intent.stable!r} is routable instead of {before.stable!r}, and nothing is being promoted"
    if "" in weights:
        yield "weights name no version"


def _clock(before: Rollout, facts: Facts, after: Rollout) -> Iterator[str]:
    """A step's clock starts only when every relevant proxy has accepted what this rollout asked for."""
    started = after.step_started_at is not None and (before.step_started_at, before.step) != (
        after.step_started_at,
        after.step,
    )
    resumed = before.phase is Phase.PAUSED and before.step_started_at is not None
    accepted = facts.traffic.programmed and facts.traffic.generation >= before.generation
    if started and not resumed and before.asked_at is not None and not accepted:
        yield f"the clock of step {after.step + 1} started before generation {before.generation} was accepted"
    waiting = after.phase is Phase.PROGRESSING and isinstance(after.strategy.steps[after.step], SetWeight)
    if waiting and after.generation > before.generation and after.step_started_at is not None:
        yield "the clock of a weight step runs although its weight was only just asked for"


def _steps(before: Rollout, facts: Facts, after: Rollout) -> Iterator[str]:
    """Steps go by one, and a step that asks something is left only with the answer."""
    if after.phase is Phase.PROGRESSING and after.step not in (before.step, before.step + 1):
        yield f"went from step {before.step + 1} to {after.step + 1}"
    by_command = after.commands_done > before.commands_done
    if before.phase is not Phase.PROGRESSING or after.step <= before.step or by_command:
        return
    step = before.strategy.steps[before.step]
    if isinstance(step, Analysis) and after.verdict.get("outcome") != Outcome.PASSED:
        yield f"analysis step {before.step + 1} was left without a pass"
    if isinstance(step, Pause) and step.seconds is None and not _approved(before):
        yield f"approval step {before.step + 1} was left without an approval"
    if before.weight > 0 and facts.sample is None:
        yield "went on without metrics"


def _approved(rollout: Rollout) -> bool:
    return any(
        each.approved
        and (each.step, each.revision, each.artifact) == (rollout.step, rollout.revision, rollout.artifact)
        for each in rollout.approvals
    )


def _endings(before: Rollout, facts: Facts, decision: Decision) -> Iterator[str]:
    """What is retired has no traffic, and the candidate becomes stable only when proxies agree."""
    accepted = facts.traffic.programmed and facts.traffic.generation >= before.generation
    gone = facts.traffic.generation == 0 and not before.stable
    made = decision.rollout.made_stable_at
    if made is not None and before.made_stable_at is None and not (before.phase is Phase.PROMOTING and accepted):
        yield "the candidate was made stable before every relevant proxy sends it the traffic"
    if made is None and before.made_stable_at is not None:
        yield "it was forgotten that the candidate is stable"
    for effect in decision.effects:
        if isinstance(effect, MakeStable) and before.made_stable_at is None:
            yield "the candidate was made stable before that was written down"
        if not isinstance(effect, Retire):
            continue
        if effect.version == before.stable and before.made_stable_at is None:
            yield f"stable version {effect.version} was retired before the candidate took its place"
        if effect.version == before.candidate and before.made_stable_at is not None:
            yield f"{effect.version} was retired although it is the stable version now"
        if effect.version == before.candidate and (
            before.weight > 0 or (before.asked_at and not accepted and not gone)
        ):
            yield f"candidate {effect.version} was retired while it may still get traffic"
        if before.stable == before.candidate:
            yield f"{effect.version} is both stable and candidate, and was retired"
