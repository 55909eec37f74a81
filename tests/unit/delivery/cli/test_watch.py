"""Server-sent events as lines, and a rollout in one of them."""

from __future__ import annotations

from typing import Any

from delivery.cli.watch import describe, events

ROW: dict[str, Any] = {
    "weight": 10,
    "phase": "progressing",
    "service": "reviews",
    "candidate": "abcdef123456",
    "verdict": {"sentence": "0.1 % against 0.1 %"},
    "ended": False,
    "waiting_on": ["approval of step 3"],
    "message": "now",
}


def test_events() -> None:
    text = ': hello\n\nretry: 1\n\nid: 5\nevent: a\ndata: {"x":\ndata: 1}\n\ndata: 2\n\nevent: b\n\n'
    assert list(events(text.split("\n"))) == [("a", {"x": 1}), ("message", 2)]


def test_a_line_says_what_it_waits_for() -> None:
    line = describe(ROW)
    assert "10 %" in line
    assert "approval of step 3" in line
    assert "0.1 % against 0.1 %" in line


def test_the_end_says_why() -> None:
    line = describe({**ROW, "ended": True, "phase": "rolled_back", "message": "errors rose"})
    assert "errors rose" in line
    assert "approval" not in line
