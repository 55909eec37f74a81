"""Decide: one tick of a rollout, as a pure and total function. Neighbours: transitions (the table), moves, waits.

The shell reads facts, calls `decide`, performs the effects in order, then saves the rollout by compare-and-set. A crash
anywhere repeats the tick: with the same rollout the same effects come out, and each is harmless to repeat.
What is asked first wins: people, then a newer release, then the candidate's health, then the gate, then the step.
"""

from __future__ import annotations

from dataclasses import replace

from delivery.codec import encode
from delivery.gates.judge import judge, observe
from delivery.gates.verdict import Outcome, Verdict
from delivery.rollouts.model import (
    TERMINAL,
    Analysis,
    Approval,
    AskTraffic,
    Command,
    Decision,
    DeployCandidate,
    Facts,
    MakeStable,
    Pause,
    Phase,
    Quarantine,
    Report,
    Retire,
    Rollout,
    SetWeight,
    WithdrawTraffic,
)
from delivery.rollouts.moves import (
    ROUTABLE,
    acknowledged,
    adopt,
    ask_again,
    begin_steps,
    enter_step,
    hold,
    move,
    promote,
    resume,
    roll_back,
    start_clock,
    withdraw,
)
from delivery.rollouts.transitions import RolloutEvent, allows
from delivery.rollouts.waits import SETTLE_SECONDS, obstacles, waiting_on
from delivery.workloads import Health

FAILING_GRACE = 10.0  # seconds a candidate may be failing before its weight goes; the mesh falls back meanwhile
UNWELL_GRACE = 30.0  # seconds it may be degraded, restarting or absent: one restart of a replica is no reason
RETIRE_PATIENCE = 300.0  # seconds a promoted candidate that is not ready keeps the old version's processes alive


def decide(rollout: Rollout, facts: Facts, now: float) -> Decision:
    """Return the next state, the effects that lead there, and what it waits for. Never raises, for any facts."""
    if rollout.phase in TERMINAL:
        return Decision(rollout)
    seen = replace(rollout, phase_started_at=rollout.phase_started_at or now)
    decision = _answer(adopt(seen, facts.traffic, now), facts, now)
    if not any(isinstance(effect, AskTraffic | WithdrawTraffic) for effect in decision.effects):
        decision = replace(decision, effects=(*ask_again(decision.rollout, facts.traffic), *decision.effects))
    waits = waiting_on(decision.rollout, facts, now)
    return replace(decision, rollout=replace(decision.rollout, waiting_on=waits), waiting_on=waits)


def _answer(rollout: Rollout, facts: Facts, now: float) -> Decision:
    obeyed = _obey(rollout, facts, now)
    if obeyed.rollout.phase is not rollout.phase:
        return obeyed
    rollout = obeyed.rollout
    if facts.newer and rollout.strategy.on_newer == "supersede" and allows(rollout.phase, RolloutEvent.SUPERSEDED):
        text = f"superseded by {facts.newer} before {rollout.candidate} was promoted"
        return roll_back(rollout, RolloutEvent.SUPERSEDED, facts, now, text)
    match rollout.phase:
        case Phase.DEPLOYING:
            return _deploying(rollout, facts, now)
        case Phase.PROMOTING:
            return _promoting(rollout, facts, now)
        case Phase.ROLLING_BACK:
            return _rolling_back(rollout, facts, now)
        case _:
            return _under_way(rollout, facts, now)


# -- people ----------------------------------------------------------------------------------------------------------


def _obey(rollout: Rollout, facts: Facts, now: float) -> Decision:
    """Carry out the commands not yet done, up to the first that moves the rollout to another phase."""
    for command in rollout.commands[rollout.commands_done :]:
        rollout = replace(rollout, commands_done=rollout.commands_done + 1)
        decision = _carry_out(command, rollout, facts, now)
        if decision.rollout.phase is not rollout.phase:
            return decision
        rollout = decision.rollout
    return Decision(rollout)


def _carry_out(command: Command, rollout: Rollout, facts: Facts, now: float) -> Decision:
    """A command that no longer fits (the rollout moved on since it was given) is done by doing nothing."""
    if command.verb not in (RolloutEvent.PROMOTE, RolloutEvent.ABORT, RolloutEvent.PAUSE, RolloutEvent.RESUME):
        return Decision(rollout)
    event = RolloutEvent(command.verb)
    if not allows(rollout.phase, event) or rollout.made_stable_at is not None:
        return Decision(rollout)
    why = f": {command.reason}" if command.reason else ""
    if event is RolloutEvent.ABORT:
        return roll_back(rollout, event, facts, now, f"aborted by {command.by}{why}")
    if event is RolloutEvent.PAUSE:
        return hold(rollout, event, now, f"paused by {command.by} at {rollout.weight} %{why}")
    if event is RolloutEvent.RESUME:
        return resume(rollout, now)
    if facts.candidate not in ROUTABLE:
        text = f"not promoted as {command.by} asked: {rollout.candidate} is {facts.candidate}"
        return Decision(replace(rollout, message=text))
    return promote(rollout, event, now, f"promoted by {command.by}, remaining steps skipped{why}")


def _approval(rollout: Rollout) -> Approval | None:
    """Return the yes or no to exactly this step of exactly this content; others are not ours to hear."""
    for approval in rollout.approvals:
        bound = (approval.step, approval.revision, approval.artifact)
        if bound == (rollout.step, rollout.revision, rollout.artifact):
            return approval
    return None


# -- phases ----------------------------------------------------------------------------------------------------------


def _deploying(rollout: Rollout, facts: Facts, now: float) -> Decision:
    if facts.candidate is Health.READY:
        if not rollout.stable:
            text = f"first release of {rollout.service} here: {rollout.candidate} takes all its traffic"
            return promote(rollout, RolloutEvent.SWITCH_READY, now, text)
        if not rollout.strategy.steps or rollout.stable == rollout.candidate:
            text = f"{rollout.candidate} is ready and takes over from {rollout.stable}"
            return promote(rollout, RolloutEvent.SWITCH_READY, now, text)
        return begin_steps(rollout, now)
    if now - rollout.phase_started_at >= rollout.strategy.progress_deadline:
        reason = facts.candidate_reason or f"it is {facts.candidate}"
        limit = f"{rollout.strategy.progress_deadline:g} s"
        text = f"{rollout.candidate} did not become ready within {limit}: {reason}"
        return roll_back(rollout, RolloutEvent.DEADLINE_MISSED, facts, now, text)
    return Decision(replace(rollout, message=f"starts {rollout.candidate}"), (DeployCandidate(),))


def _under_way(rollout: Rollout, facts: Facts, now: float) -> Decision:
    """PROGRESSING and PAUSED: watch health and gate the whole time, move on only when PROGRESSING."""
    rollout = _note_health(rollout, facts, now)
    failed = _failed_candidate(rollout, facts, now)
    if failed:
        return roll_back(rollout, RolloutEvent.CANDIDATE_FAILED, facts, now, failed)
    rollout, verdict = _watch(rollout, facts, now)
    if verdict.outcome is Outcome.FAILED and rollout.weight > 0:
        return roll_back(rollout, RolloutEvent.GATE_FAILED, facts, now, verdict.sentence)
    decision = _paused(rollout, facts, now) if rollout.phase is Phase.PAUSED else _step(rollout, verdict, facts, now)
    revive = (DeployCandidate(),) if facts.candidate is Health.ABSENT else ()
    return replace(decision, effects=(*revive, *decision.effects))


def _paused(rollout: Rollout, facts: Facts, now: float) -> Decision:
    """An operator's pause ends by a command; a pause for want of evidence also by an approval of the step."""
    approval = _approval(rollout) if rollout.cause == RolloutEvent.GATE_UNDECIDED_HOLD else None
    if approval is None:
        return Decision(rollout)
    if not approval.approved:
        return roll_back(rollout, RolloutEvent.REJECTED, facts, now, _rejection(approval))
    if obstacles(rollout, facts):
        return Decision(rollout)
    text = f"{approval.approver} accepted step {rollout.step + 1} without a verdict"
    return _next_step(move(rollout, RolloutEvent.ACCEPTED, now, text), facts, now)


def _promoting(rollout: Rollout, facts: Facts, now: float) -> Decision:
    """That proxies agree is written down first and told after: a crash must not leave two stable versions."""
    rollout = _note_health(rollout, facts, now)
    if rollout.made_stable_at is None:
        failed = _failed_candidate(rollout, facts, now) if rollout.stable not in ("", rollout.candidate) else ""
        if failed:
            return roll_back(rollout, RolloutEvent.CANDIDATE_FAILED, facts, now, failed)
        made = acknowledged(rollout, facts.traffic)
        return Decision(replace(rollout, made_stable_at=now) if made else rollout)
    waited = now - rollout.made_stable_at
    sure = facts.candidate is Health.READY or bool(facts.newer) or waited >= RETIRE_PATIENCE
    if waited < SETTLE_SECONDS or not sure or not acknowledged(rollout, facts.traffic):
        return Decision(rollout, (MakeStable(),))
    text = f"{rollout.candidate} promoted: all requests for {rollout.service} go to it"
    retire = (Retire(rollout.stable),) if rollout.stable not in ("", rollout.candidate) else ()
    ended = replace(move(rollout, RolloutEvent.SETTLED, now, text), ended_at=now)
    return Decision(ended, (MakeStable(), *retire, Report("success", text)))


def _rolling_back(rollout: Rollout, facts: Facts, now: float) -> Decision:
    """Traffic first: weight 0, every relevant proxy agrees; only then the candidate's processes go."""
    if rollout.weight > 0:
        return withdraw(rollout, facts, now)
    if not acknowledged(rollout, facts.traffic):
        return Decision(rollout)
    newer = rollout.cause == RolloutEvent.SUPERSEDED
    event = RolloutEvent.WITHDRAWN_FOR_NEWER if newer else RolloutEvent.WITHDRAWN
    ended = replace(move(rollout, event, now, rollout.message), cause=rollout.cause, ended_at=now)
    retire = (Retire(rollout.candidate),) if rollout.candidate != rollout.stable else ()
    quarantine = (Quarantine(rollout.message),) if rollout.cause == RolloutEvent.GATE_FAILED else ()
    report = Report("canceled" if newer else "failed", rollout.message)
    return Decision(ended, (*retire, *quarantine, report))


# -- steps -----------------------------------------------------------------------------------------------------------


def _step(rollout: Rollout, verdict: Verdict, facts: Facts, now: float) -> Decision:
    if not acknowledged(rollout, facts.traffic):
        return Decision(rollout)
    step = rollout.strategy.steps[rollout.step]
    if rollout.step_started_at is None:
        rollout = start_clock(rollout, facts.sample, now)
    elapsed = now - (now if rollout.step_started_at is None else rollout.step_started_at)
    match step:
        case SetWeight():
            return _next_step(rollout, facts, now)
        case Pause(None):
            return _approval_step(rollout, facts, now)
        case Analysis(limit):
            return _analysis_step(rollout, verdict, facts, elapsed >= limit, now)
        case Pause(seconds):
            over = seconds is not None and elapsed >= seconds
            return _next_step(rollout, facts, now) if over else Decision(rollout)


def _approval_step(rollout: Rollout, facts: Facts, now: float) -> Decision:
    approval = _approval(rollout)
    if approval is None:
        return Decision(rollout)
    if approval.approved:
        return _next_step(rollout, facts, now)
    return roll_back(rollout, RolloutEvent.REJECTED, facts, now, _rejection(approval))


def _analysis_step(rollout: Rollout, verdict: Verdict, facts: Facts, over: bool, now: float) -> Decision:
    if verdict.outcome is Outcome.PASSED and not obstacles(rollout, facts):
        return _next_step(replace(rollout, message=verdict.sentence), facts, now)
    if not over:
        return Decision(rollout)
    text = f"no verdict in time: {verdict.sentence}"
    if rollout.strategy.on_inconclusive == "rollback":
        return roll_back(rollout, RolloutEvent.GATE_UNDECIDED_END, facts, now, text)
    return hold(rollout, RolloutEvent.GATE_UNDECIDED_HOLD, now, text)


def _next_step(rollout: Rollout, facts: Facts, now: float) -> Decision:
    """Go on, unless something forbids to give the candidate more traffic now."""
    if obstacles(rollout, facts):
        return Decision(rollout)
    if rollout.step + 1 < len(rollout.strategy.steps):
        return enter_step(rollout, rollout.step + 1, now)
    return promote(rollout, RolloutEvent.STEPS_DONE, now, f"all steps passed; {rollout.candidate} takes all traffic")


def _rejection(approval: Approval) -> str:
    why = f": {approval.comment}" if approval.comment else ""
    return f"rejected by {approval.approver} at step {approval.step + 1}{why}"


# -- health and gate --------------------------------------------------------------------------------------------------


def _note_health(rollout: Rollout, facts: Facts, now: float) -> Rollout:
    if facts.candidate is Health.READY:
        return replace(rollout, unwell_since=None)
    return rollout if rollout.unwell_since is not None else replace(rollout, unwell_since=now)


def _failed_candidate(rollout: Rollout, facts: Facts, now: float) -> str:
    """Return why the candidate must go, or "" while there is still hope."""
    if rollout.unwell_since is None:
        return ""
    unwell = now - rollout.unwell_since
    if unwell < (FAILING_GRACE if facts.candidate is Health.FAILING else UNWELL_GRACE):
        return ""
    reason = f" ({facts.candidate_reason})" if facts.candidate_reason else ""
    share = f"{rollout.weight} % of the traffic"
    return f"{rollout.candidate} has been {facts.candidate} for {unwell:.0f} s at {share}{reason}"


def _watch(rollout: Rollout, facts: Facts, now: float) -> tuple[Rollout, Verdict]:
    """Show the gate the newest reading; without weight on the candidate, or without a reading, nothing is learnt."""
    gate = rollout.gate
    if facts.sample is not None and rollout.weight > 0:
        gate = observe(gate, rollout.strategy.gate, facts.sample, now)
    verdict = judge(gate, rollout.strategy.gate)
    if facts.sample is None and verdict.outcome is Outcome.PASSED:
        verdict = Verdict(Outcome.INCONCLUSIVE, "Holding: metrics cannot be read.", "metrics")
    return replace(rollout, gate=gate, verdict=encode(verdict) if rollout.weight else rollout.verdict), verdict
