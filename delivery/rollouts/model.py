"""Nouns of a rollout: steps, phases, facts that come in, effects that go out. Pure; neighbours: decide, transitions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from delivery.gates.policy import GatePolicy as GatePolicy
from delivery.gates.samples import Sample
from delivery.intents import Intent, TrafficState
from delivery.workloads import Health


@dataclass(frozen=True)
class SetWeight:
    """Give the candidate `percent` of the lane's requests for the service (0-100)."""

    percent: int


@dataclass(frozen=True)
class Pause:
    """Wait `seconds`, or, when None, for an approval of this step."""

    seconds: float | None = None


@dataclass(frozen=True)
class Analysis:
    """Hold until the gate passes; a failed gate rolls back. After `max_seconds` it ends as `on_inconclusive` says."""

    max_seconds: float = 600.0


Step = SetWeight | Pause | Analysis


@dataclass(frozen=True)
class Strategy:
    """How a service is released in an environment. Steps empty: instant (ready, switch, retire the old)."""

    steps: tuple[Step, ...] = ()
    gate: GatePolicy = field(default_factory=GatePolicy)
    on_inconclusive: str = "pause"  # pause | rollback
    progress_deadline: float = 120.0  # seconds for the candidate to become ready
    on_newer: str = "supersede"  # supersede | queue


class Phase(StrEnum):
    """Where a rollout stands; the table of moves is `transitions`."""

    DEPLOYING = "deploying"  # candidate starts beside the stable one, weight 0
    PROGRESSING = "progressing"  # steps run: weight, pause, analysis
    PAUSED = "paused"  # an operator, or an inconclusive gate, holds it; weights stay
    PROMOTING = "promoting"  # candidate gets 100 %, becomes the stable; then the old one is retired
    ROLLING_BACK = "rolling_back"  # weight to 0, then the candidate is retired
    PROMOTED = "promoted"
    ROLLED_BACK = "rolled_back"
    SUPERSEDED = "superseded"  # rolled back because a newer release took its place


GENERATIONS_PER_ROLLOUT = 1000  # a rollout asks for one intent a weight step, one to promote and one to roll back


def first_generation(seed: int) -> int:
    """Return the generation a new rollout starts from; `seed` is `Store.next_generation` of its traffic scope.

    Each seed owns a block of 1000 numbers, so every intent of a later rollout is newer than all of an earlier one,
    although `decide` counts up by itself. Whoever else hands the mesh a generation for that scope (withdrawing a
    service, deleting an environment) must take it from this function too.
    """
    return seed * GENERATIONS_PER_ROLLOUT


TERMINAL = frozenset({Phase.PROMOTED, Phase.ROLLED_BACK, Phase.SUPERSEDED})


@dataclass(frozen=True)
class Approval:
    """A yes or no to one step, bound to commit and digest."""

    approver: str
    approved: bool
    step: int
    revision: str
    artifact: str
    at: float
    comment: str = ""


@dataclass(frozen=True)
class Command:
    """What an operator asked: promote, abort, retry, pause, resume; `reason` and `by` are kept."""

    verb: str
    by: str
    at: float
    reason: str = ""


@dataclass(frozen=True)
class Rollout:
    """State of one rollout; immutable, replaced as a whole by compare-and-set on `row_version`.

    `stable` is "" for a service's first release in the environment. `generation` is that of the newest intent
    asked for; a new rollout starts with `first_generation(seed)`. `gate` is the gate's own state (JSON).
    `approvals` and `commands` are appended by doors through `orders`; the commands up to `commands_done` have been
    carried out. An ended rollout never changes: a retry is a new rollout (`orders.retried`).
    """

    id: str
    project: str
    environment: str
    color: str
    service: str
    stable: str
    candidate: str
    artifact: str
    revision: str
    ref: str
    run: str
    strategy: Strategy
    phase: Phase = Phase.DEPLOYING
    step: int = 0
    step_started_at: float | None = None  # None until every relevant proxy has accepted the step's generation
    weight: int = 0
    generation: int = 0
    gate: Mapping[str, Any] = field(default_factory=dict)
    approvals: tuple[Approval, ...] = ()
    commands: tuple[Command, ...] = ()
    commands_done: int = 0
    message: str = ""  # one sentence for people: what it does or why it ended
    waiting_on: tuple[str, ...] = ()
    verdict: Mapping[str, Any] = field(default_factory=dict)  # last gate verdict with its evidence
    created_at: float = 0.0
    phase_started_at: float = 0.0
    ended_at: float | None = None
    cause: str = ""  # the event of `transitions` that led into this phase; kept to the end of a rollback
    asked_at: float | None = None  # when the newest intent was first asked for; None: this rollout asked for none
    made_stable_at: float | None = None  # when every proxy sent all to the candidate: from here no way back
    unwell_since: float | None = None  # since when the candidate has not been ready while it had weight
    retry_of: str = ""  # id of the rollout this one repeats
    row_version: int = 0


@dataclass(frozen=True)
class Facts:
    """What was read from the world for one tick. `sample` is None when the metrics source was away.

    `newer` is set when a newer release of the service waits for the same environment.
    """

    candidate: Health
    candidate_reason: str
    stable: Health
    traffic: TrafficState
    sample: Sample | None = None
    newer: str = ""


@dataclass(frozen=True)
class DeployCandidate:
    """Make sure the candidate runs (idempotent)."""


@dataclass(frozen=True)
class AskTraffic:
    """Set this intent at the mesh."""

    intent: Intent


@dataclass(frozen=True)
class WithdrawTraffic:
    """Withdraw the service from the lane (`Traffic.remove_intent`): a first release failed, nothing is behind it."""

    generation: int


@dataclass(frozen=True)
class MakeStable:
    """Record the candidate as the environment's stable version of the service."""


@dataclass(frozen=True)
class Retire:
    """Drain and remove the workload of `version` in this environment."""

    version: str


@dataclass(frozen=True)
class Quarantine:
    """Refuse the candidate's version from now on, for `reason`."""

    reason: str


@dataclass(frozen=True)
class Report:
    """Tell the commit: `state` is a CommitState value."""

    state: str
    text: str


Effect = DeployCandidate | AskTraffic | WithdrawTraffic | MakeStable | Retire | Quarantine | Report


@dataclass(frozen=True)
class Decision:
    """The next state, what to do (in order, each harmless to repeat), and what it waits for, in words.

    The shell performs the effects first and saves the state after; a crash in between repeats them.
    """

    rollout: Rollout
    effects: tuple[Effect, ...] = ()
    waiting_on: tuple[str, ...] = ()
