"""The one table of a rollout's moves: phase x event -> phase. Pure; neighbours: decide, invariants, docs/rollouts.md.

Laws the table serves (design, section 5):

1. An event that is not listed for a phase is an error, and nothing changes.
2. Before PROMOTING every intent names the old stable version; from PROMOTING on, the candidate.
3. Whatever leaves DEPLOYING, PROGRESSING or PAUSED for the worse goes through
   ROLLING_BACK: traffic first, then processes.
4. PROMOTING can still roll back, but only until the candidate has been recorded as stable (`made_stable_at`).
5. PROMOTED, ROLLED_BACK and SUPERSEDED have no way out: a retry is a new rollout.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from delivery.errors import Broken
from delivery.rollouts.model import Phase


class RolloutEvent(StrEnum):
    """What can happen to a rollout. The value is kept as `Rollout.cause` of the phase it led into."""

    CANDIDATE_READY = "candidate_ready"  # and there are steps to take
    SWITCH_READY = "switch_ready"  # ready, and nothing to try it against: no steps, or no stable version
    DEADLINE_MISSED = "deadline_missed"  # the candidate did not become ready in time
    STEPS_DONE = "steps_done"
    GATE_FAILED = "gate_failed"
    GATE_UNDECIDED_HOLD = "gate_undecided_hold"  # no verdict in time, strategy: pause
    GATE_UNDECIDED_END = "gate_undecided_end"  # no verdict in time, strategy: rollback
    CANDIDATE_FAILED = "candidate_failed"  # not ready for too long while it had weight
    REJECTED = "rejected"
    SUPERSEDED = "superseded"
    PAUSE = "pause"
    RESUME = "resume"
    ACCEPTED = "accepted"  # a person approved a step the gate could not decide
    PROMOTE = "promote"
    ABORT = "abort"
    SETTLED = "settled"  # the candidate is stable and requests to the old version have ended
    WITHDRAWN = "withdrawn"  # no weight left on the candidate, and every relevant proxy knows
    WITHDRAWN_FOR_NEWER = "withdrawn_for_newer"  # the same, for a newer release


_P, _E = Phase, RolloutEvent

TABLE: Mapping[Phase, Mapping[RolloutEvent, Phase]] = {
    _P.DEPLOYING: {
        _E.CANDIDATE_READY: _P.PROGRESSING,
        _E.SWITCH_READY: _P.PROMOTING,
        _E.DEADLINE_MISSED: _P.ROLLING_BACK,
        _E.SUPERSEDED: _P.ROLLING_BACK,
        _E.ABORT: _P.ROLLING_BACK,
    },
    _P.PROGRESSING: {
        _E.STEPS_DONE: _P.PROMOTING,
        _E.PROMOTE: _P.PROMOTING,
        _E.PAUSE: _P.PAUSED,
        _E.GATE_UNDECIDED_HOLD: _P.PAUSED,
        _E.GATE_UNDECIDED_END: _P.ROLLING_BACK,
        _E.GATE_FAILED: _P.ROLLING_BACK,
        _E.CANDIDATE_FAILED: _P.ROLLING_BACK,
        _E.REJECTED: _P.ROLLING_BACK,
        _E.SUPERSEDED: _P.ROLLING_BACK,
        _E.ABORT: _P.ROLLING_BACK,
    },
    _P.PAUSED: {
        _E.RESUME: _P.PROGRESSING,
        _E.ACCEPTED: _P.PROGRESSING,
        _E.PROMOTE: _P.PROMOTING,
        _E.GATE_FAILED: _P.ROLLING_BACK,
        _E.CANDIDATE_FAILED: _P.ROLLING_BACK,
        _E.REJECTED: _P.ROLLING_BACK,
        _E.SUPERSEDED: _P.ROLLING_BACK,
        _E.ABORT: _P.ROLLING_BACK,
    },
    _P.PROMOTING: {
        _E.SETTLED: _P.PROMOTED,
        _E.CANDIDATE_FAILED: _P.ROLLING_BACK,
        _E.ABORT: _P.ROLLING_BACK,
    },
    _P.ROLLING_BACK: {
        _E.WITHDRAWN: _P.ROLLED_BACK,
        _E.WITHDRAWN_FOR_NEWER: _P.SUPERSEDED,
    },
    _P.PROMOTED: {},
    _P.ROLLED_BACK: {},
    _P.SUPERSEDED: {},
}


def next_phase(phase: Phase, event: RolloutEvent) -> Phase:
    """Return where `event` leads from `phase`. Raises Broken for a move the table does not list."""
    moves = TABLE[phase]
    if event not in moves:
        listed = ", ".join(sorted(moves)) or "nothing: it has ended"
        raise Broken(f"a rollout that is {phase} has no move for {event} (it knows {listed})")
    return moves[event]


def allows(phase: Phase, event: RolloutEvent) -> bool:
    """Tell whether the table lists the move."""
    return event in TABLE[phase]


def diagram() -> str:
    """Return the table as a mermaid state diagram; docs/rollouts.md holds exactly this text."""
    lines = ["stateDiagram-v2", f"    [*] --> {Phase.DEPLOYING}"]
    for phase, moves in TABLE.items():
        targets: dict[Phase, list[str]] = {}
        for event, target in moves.items():
            targets.setdefault(target, []).append(str(event))
        lines += [f"    {phase} --> {target}: {', '.join(events)}" for target, events in targets.items()]
        if not moves:
            lines.append(f"    {phase} --> [*]")
    return "\n".join(lines)
