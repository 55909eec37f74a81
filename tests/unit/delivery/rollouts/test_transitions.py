"""The table is total, has no dead ends but the ends, and the document shows exactly it."""

from __future__ import annotations

from pathlib import Path

import pytest

from delivery.errors import Broken
from delivery.rollouts.model import TERMINAL, Phase
from delivery.rollouts.transitions import TABLE, RolloutEvent, allows, diagram, next_phase


def test_every_phase_is_in_the_table_and_reachable() -> None:
    reached = {Phase.DEPLOYING} | {target for moves in TABLE.values() for target in moves.values()}
    assert set(TABLE) == set(Phase) == reached


def test_only_ended_rollouts_have_no_way_out() -> None:
    assert {phase for phase, moves in TABLE.items() if not moves} == TERMINAL


def test_every_event_leads_somewhere() -> None:
    assert {event for moves in TABLE.values() for event in moves} == set(RolloutEvent)


@pytest.mark.parametrize("phase", Phase)
@pytest.mark.parametrize("event", RolloutEvent)
def test_what_is_not_listed_is_an_error(phase: Phase, event: RolloutEvent) -> None:
    if allows(phase, event):
        assert next_phase(phase, event) is TABLE[phase][event]
        return
    with pytest.raises(Broken, match=f"{phase} has no move for {event}"):
        next_phase(phase, event)


def test_the_document_shows_the_table() -> None:
    text = Path("docs/rollouts.md").read_text()
    assert f"```mermaid\n{diagram()}\n```" in text, "put delivery.rollouts.transitions.diagram() into docs/rollouts.md"
