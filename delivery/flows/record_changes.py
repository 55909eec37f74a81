"""Record changes of a rollout that a person would want to know: phase, weight, verdict, what it waits for.

They are saved together with the row: neither is seen without the other, whenever the process dies.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import structlog

from delivery.flows.world import World
from delivery.rollouts.model import TERMINAL, Phase, Rollout

log = structlog.get_logger(__name__)


def save_changes(world: World, before: Rollout, after: Rollout) -> Rollout:
    """Save `after` with one event for each kind of change, and return the saved row. Raises Conflict."""
    found = _changes(before, after)
    subject, numbers = f"rollout/{after.id}", _numbers(after)
    events = [world.event(after.project, subject, f"rollout.{kind}", text, **numbers) for kind, text in found]
    saved = world.store.rollouts.save(after, events)
    for kind, text in found:
        log.info("rollout", rollout=after.id, change=kind, phase=after.phase.value, weight=after.weight, text=text)
    return saved


def supersede_rollout(world: World, rollout: Rollout, message: str) -> Rollout:
    """End a rollout that nothing is left to decide about. Raises Conflict."""
    now = world.clock.now()
    ended = replace(rollout, phase=Phase.SUPERSEDED, message=message, waiting_on=(), ended_at=now)
    saved = save_changes(world, rollout, ended)
    wake_run(world, rollout)
    return saved


def wake_run(world: World, rollout: Rollout) -> None:
    """Nudge the run that waits for the rollout; one that a person asked for has none."""
    if rollout.run:
        world.wake("advance_run", rollout.run)


def _changes(before: Rollout, after: Rollout) -> list[tuple[str, str]]:
    found = []
    if after.phase is not before.phase:
        found.append(("phase", f"{after.phase.value}: {after.message}"))
    elif after.step != before.step:
        found.append(("step", after.message))
    if after.weight != before.weight:
        found.append(("weight", f"{after.candidate} gets {after.weight} %"))
    if _outcome(after) != _outcome(before):
        found.append(("verdict", str(after.verdict.get("sentence", _outcome(after)))))
    news = not found and after.waiting_on and after.phase not in TERMINAL
    if news and _coarse(after.waiting_on) != _coarse(before.waiting_on):
        found.append(("waiting", f"waits for {'; '.join(after.waiting_on)}"))
    return found


def _outcome(rollout: Rollout) -> Any:
    return rollout.verdict.get("outcome", "")


def _coarse(waits: tuple[str, ...]) -> tuple[str, ...]:
    """Drop numbers and details: that seconds pass, or one proxy less is missing, is no news."""
    return tuple(re.sub(r"\d+", "#", wait.partition(";")[0]) for wait in waits[:1])


def _numbers(rollout: Rollout) -> dict[str, Any]:
    return {
        "phase": rollout.phase.value,
        "step": rollout.step,
        "weight": rollout.weight,
        "generation": rollout.generation,
        "service": rollout.service,
        "candidate": rollout.candidate,
        "environment": rollout.environment,
    }
