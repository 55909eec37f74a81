"""Rollout shapes: how a rollout looks from outside, and what may be asked of it.

Neighbours: shapes, rollouts routes.
"""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, Field

from delivery.api.shapes import Shape
from delivery.codec import encode
from delivery.rollouts.model import TERMINAL, Analysis, Pause, Rollout, SetWeight, Step


class ApprovalShape(Shape):
    """Who said yes or no to which step."""

    approver: str
    approved: bool
    step: int
    revision: str
    artifact: str
    at: float
    comment: str


class CommandShape(Shape):
    """What an operator asked."""

    verb: str
    by: str
    at: float
    reason: str


class RolloutShape(Shape):
    """The change of one service in one environment from the stable release to the candidate."""

    id: str
    project: str
    environment: str
    color: str
    service: str
    stable: str = Field(description="Version; empty for the first release in this environment")
    candidate: str
    artifact: str
    revision: str
    ref: str
    run: str
    phase: str
    ended: bool
    steps: list[dict[str, Any]] = Field(description="As in colorlane.yaml: setWeight, pause, analysis")
    step: int = Field(description="Index of the step under way")
    step_started_at: float | None = Field(description="null until every relevant proxy has accepted the step")
    awaits_approval: bool = Field(description="Whether the step under way waits for a person")
    weight: int = Field(description="Percent of the lane's requests that the candidate gets")
    generation: int
    message: str
    waiting_on: list[str]
    verdict: dict[str, Any] = Field(description="The gate's last verdict with its evidence")
    approvals: list[ApprovalShape]
    commands: list[CommandShape]
    created_at: float
    phase_started_at: float
    ended_at: float | None
    row_version: int


class Order(BaseModel):
    """What is asked of a rollout.

    `revision`, `artifact`, `step`: what the caller looked at; a mismatch is refused (409).
    """

    by: str = Field("", max_length=200, description="Who asks; kept in the audit trail")
    comment: str = Field("", max_length=2000)
    revision: str = Field("", max_length=100)
    artifact: str = Field("", max_length=100)
    step: int | None = Field(None, ge=0, le=1000)


def show_rollout(rollout: Rollout) -> RolloutShape:
    """Return the rollout with its steps in the words of colorlane.yaml."""
    fields = dict(encode(rollout))
    fields["steps"] = [show_step(step) for step in rollout.strategy.steps]
    fields["ended"] = rollout.phase in TERMINAL
    fields["awaits_approval"] = awaits_approval(rollout)
    return RolloutShape.model_validate(fields)


def show_step(step: Step) -> dict[str, Any]:
    """Return a step as it is written in colorlane.yaml."""
    match step:
        case SetWeight(percent):
            return {"setWeight": percent}
        case Pause(seconds):
            return {"pause": {} if seconds is None else {"duration": f"{seconds:g}s"}}
        case Analysis(seconds):
            return {"analysis": {"max": f"{seconds:g}s"}}


def awaits_approval(rollout: Rollout) -> bool:
    """Tell whether the step under way waits for a person's yes."""
    steps = rollout.strategy.steps
    if rollout.phase in TERMINAL or not 0 <= rollout.step < len(steps):
        return False
    step = steps[rollout.step]
    return rollout.phase.value == "progressing" and isinstance(step, Pause) and step.seconds is None
