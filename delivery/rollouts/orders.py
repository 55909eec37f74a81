"""Orders: what people may ask of a rollout, checked before it is written down. Pure; for the doors (API, CLI, UI).

A door reads the rollout, calls one of these, and saves the result by compare-and-set; `decide` acts on it at the next
tick. Everything that cannot be done raises Conflict with what to do instead, and changes nothing.
"""

from __future__ import annotations

from dataclasses import replace

from delivery.errors import Conflict, Rejected
from delivery.rollouts.model import TERMINAL, Analysis, Approval, Command, Pause, Phase, Rollout
from delivery.rollouts.transitions import RolloutEvent, allows, next_phase

VERBS = ("promote", "abort", "pause", "resume")
RETRYABLE = frozenset({Phase.ROLLED_BACK, Phase.SUPERSEDED})


def waits_for_approval(rollout: Rollout) -> bool:
    """Tell whether an approval would be heard now: at a pause without an end, or where the gate could not decide."""
    if rollout.step >= len(rollout.strategy.steps) or _decided(rollout):
        return False
    step = rollout.strategy.steps[rollout.step]
    if rollout.phase is Phase.PROGRESSING:
        return isinstance(step, Pause) and step.seconds is None
    undecided = rollout.cause == RolloutEvent.GATE_UNDECIDED_HOLD and isinstance(step, Analysis)
    return rollout.phase is Phase.PAUSED and undecided


def with_approval(rollout: Rollout, approval: Approval) -> Rollout:
    """Return the rollout with the yes or no added. Raises Conflict when it is not asked for here and now."""
    if rollout.phase in TERMINAL:
        raise Conflict(
            f"rollout {rollout.id} has ended ({rollout.phase}): {rollout.message}",
            field="rollout",
            value=rollout.id,
            remedy="approve the rollout that runs now; `colorlane rollout list` shows it",
        )
    _same_content(rollout, approval)
    earlier = _decided(rollout)
    if earlier is not None and approval.step == rollout.step:
        answer = "approved" if earlier.approved else "rejected"
        raise Conflict(
            f"step {approval.step + 1} was {answer} by {earlier.approver} already",
            field="step",
            value=approval.step,
            remedy="nothing to do; to stop the rollout use abort",
        )
    if approval.step != rollout.step or not waits_for_approval(rollout):
        raise Conflict(
            f"step {approval.step + 1} does not wait for an approval: the rollout is {rollout.phase} "
            f"at step {rollout.step + 1} ({rollout.message})",
            field="step",
            value=approval.step,
            remedy="wait until the rollout asks for it; `waiting_on` names the step",
        )
    return replace(rollout, approvals=(*rollout.approvals, approval))


def with_command(rollout: Rollout, command: Command) -> Rollout:
    """Return the rollout with the command added. Raises Rejected for an unknown verb, Conflict when it does not fit."""
    if command.verb == "retry":
        raise _retry_refused(rollout)
    if command.verb not in VERBS:
        raise Rejected(
            f"a rollout does not know {command.verb!r}",
            field="verb",
            value=command.verb,
            remedy=f"use one of {', '.join(VERBS)}, retry",
        )
    if rollout.phase in TERMINAL:
        raise Conflict(
            f"rollout {rollout.id} has ended ({rollout.phase}), it cannot {command.verb} any more",
            field="rollout",
            value=rollout.id,
            remedy="retry makes a new rollout of the same release"
            if rollout.phase in RETRYABLE
            else "push a new commit",
        )
    phase = _phase_when_obeyed(rollout)
    if not allows(phase, RolloutEvent(command.verb)) or rollout.made_stable_at is not None:
        raise Conflict(
            f"a rollout that is {phase} cannot {command.verb}",
            field="verb",
            value=command.verb,
            remedy=_remedy(phase, command.verb, rollout),
        )
    return replace(rollout, commands=(*rollout.commands, command))


def retried(rollout: Rollout, id: str, generation: int, now: float) -> Rollout:
    """Return a new rollout of the same release, from the start. `generation`: `first_generation` of a new seed.

    An ended rollout never changes; the new one names it in `retry_of`. Whoever calls lifts a quarantine first: a person
    has looked at it. Its `stable` must be read from the environment again by the caller, which may have moved on.
    Raises Conflict while the rollout runs, or when it ended well.
    """
    if rollout.phase not in RETRYABLE:
        raise _retry_refused(rollout)
    return Rollout(
        id=id,
        project=rollout.project,
        environment=rollout.environment,
        color=rollout.color,
        service=rollout.service,
        stable=rollout.stable,
        candidate=rollout.candidate,
        artifact=rollout.artifact,
        revision=rollout.revision,
        ref=rollout.ref,
        run=rollout.run,
        strategy=rollout.strategy,
        generation=generation,
        created_at=now,
        phase_started_at=now,
        retry_of=rollout.id,
    )


def _decided(rollout: Rollout) -> Approval | None:
    """Return the answer this step of this content has got already."""
    bound = (rollout.step, rollout.revision, rollout.artifact)
    return next((each for each in rollout.approvals if (each.step, each.revision, each.artifact) == bound), None)


def _same_content(rollout: Rollout, approval: Approval) -> None:
    for field, asked, held in (
        ("revision", approval.revision, rollout.revision),
        ("artifact", approval.artifact, rollout.artifact),
    ):
        if asked != held:
            raise Conflict(
                f"the approval is for {field} {asked}, the rollout carries {held}",
                field=field,
                value=asked,
                remedy="look at what runs now and approve that",
            )


def _phase_when_obeyed(rollout: Rollout) -> Phase:
    """Return the phase the rollout will be in once the commands that still wait have been carried out."""
    phase = rollout.phase
    for command in rollout.commands[rollout.commands_done :]:
        if command.verb in VERBS and allows(phase, RolloutEvent(command.verb)):
            phase = next_phase(phase, RolloutEvent(command.verb))
    return phase


def _remedy(phase: Phase, verb: str, rollout: Rollout) -> str:
    if rollout.made_stable_at is not None:
        return f"{rollout.candidate} is the stable version already; push a revert to go back"
    if phase is Phase.DEPLOYING:
        return "wait until the candidate is ready, or abort"
    if phase is Phase.ROLLING_BACK:
        return "wait until it has rolled back, then retry"
    if phase is Phase.PROMOTING:
        return "wait until it is promoted, or abort"
    return "resume it" if verb == "pause" else "there is nothing to resume"


def _retry_refused(rollout: Rollout) -> Conflict:
    if rollout.phase in RETRYABLE:
        remedy = "ask for a retry at the door: it starts a new rollout of the same release"
        return Conflict(
            f"rollout {rollout.id} has ended and never changes", field="rollout", value=rollout.id, remedy=remedy
        )
    remedy = "it is promoted: nothing to retry" if rollout.phase is Phase.PROMOTED else "abort it first, then retry"
    return Conflict(f"rollout {rollout.id} is {rollout.phase}", field="rollout", value=rollout.id, remedy=remedy)
