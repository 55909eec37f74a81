"""Finish a run: it ends when its rollouts have ended, with their reasons. Neighbours: advance_run, advance_rollout."""

from __future__ import annotations

from delivery.errors import NotFound
from delivery.flows.operate_run import abort_rollouts
from delivery.flows.report_run import end_run
from delivery.flows.world import World
from delivery.rollouts.model import TERMINAL, Phase, Rollout
from pipelines.runs import Run, RunState


def finish_run(world: World, run: Run) -> bool:
    """End the run if nothing of it is under way; there is never a next step."""
    rollouts = [rollout for id in run.rollouts if (rollout := _rollout(world, id)) is not None]
    if any(rollout.phase not in TERMINAL for rollout in rollouts):
        if run.cancel_requested:
            abort_rollouts(world, run, "colorlane")
        return False
    state, message = _outcome(run, rollouts)
    end_run(world, run.id, state, message)
    return False


def _rollout(world: World, id: str) -> Rollout | None:
    try:
        return world.store.rollouts.get(id)
    except NotFound:
        return None


def _outcome(run: Run, rollouts: list[Rollout]) -> tuple[RunState, str]:
    """The worst of the rollouts speaks for the run; a version refused by quarantine is as bad as one rolled back."""
    bad = [f"{rollout.service}: {rollout.message}" for rollout in rollouts if rollout.phase is Phase.ROLLED_BACK]
    if run.message:
        bad.append(run.message)
    if run.cancel_requested:
        return RunState.CANCELED, "; ".join(bad) or "canceled"
    if bad:
        return RunState.FAILED, "; ".join(bad)
    superseded = [rollout for rollout in rollouts if rollout.phase is Phase.SUPERSEDED]
    if superseded:
        return RunState.SUPERSEDED, "; ".join(f"{rollout.service}: {rollout.message}" for rollout in superseded)
    names = ", ".join(rollout.service for rollout in rollouts)
    return RunState.SUCCEEDED, f"deployed {names}"
