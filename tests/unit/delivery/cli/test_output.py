"""Text of strangers stays text: it neither marks up nor steers the terminal."""

from __future__ import annotations

import pytest

from delivery.cli.output import console, plain, table


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[2Jgone", "\ufffd[2Jgone"),
        ("\x1b]0;title\x07", "\ufffd]0;title\ufffd"),
        ("a\rb", "a\ufffdb"),
        ("\x9b31m", "\ufffd31m"),
        ("user\u202etxt.exe", "user\ufffdtxt.exe"),
        ("half \ud83d", "half \ufffd"),
        ("two\nlines\tand a tab", "two\nlines\tand a tab"),
        ("Ä 👩\u200d💻", "Ä 👩\u200d💻"),
    ],
)
def test_nothing_of_a_text_steers_the_terminal(text: str, shown: str) -> None:
    assert plain(text) == shown


def test_markup_in_a_name_is_text(capsys: pytest.CaptureFixture[str]) -> None:
    with console.capture() as said:
        table(["BRANCH"], [[plain("[red]x[/nonsense]")]], "none")
    assert "[red]x[/nonsense]" in said.get()
