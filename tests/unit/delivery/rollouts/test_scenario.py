"""Scripts are read with care: what is not understood is refused with its line."""

from __future__ import annotations

import pytest

from delivery.errors import Rejected
from delivery.rollouts.scenario import COMMANDS, run_scenario


def test_comments_and_several_commands_a_line() -> None:
    text = run_scenario("# nothing\nready; tick 2s  # two ticks\n")
    assert text.splitlines()[0] == "> ready"
    assert "= progressing after 2 s" in text


@pytest.mark.parametrize(
    ("script", "complaint"),
    [
        ("ready\nfly", "line 2: unknown command 'fly'"),
        ("steps setWeight ten", "line 1: steps setWeight ten"),
        ("steps jump 3", "jump is no step"),
        ("tick soon", "line 1: tick soon"),
        ("metrics maybe", "line 1: metrics maybe"),
        ("stable superb", "line 1: stable superb"),
        ("gate speed 3", "speed is none of"),
        ("approve", "line 1: approve"),
    ],
)
def test_bad_scripts_name_the_line(script: str, complaint: str) -> None:
    with pytest.raises(Rejected, match=complaint):
        run_scenario(script)


def test_every_command_is_documented() -> None:
    with open("docs/rollouts.md") as document:
        text = document.read()
    assert not [name for name in COMMANDS if f"`{name}" not in text]
