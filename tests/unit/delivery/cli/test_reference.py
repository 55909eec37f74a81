"""docs/cli.md says what the program does; each command has an example and says what it is for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import typer

from delivery.cli.app import app
from delivery.cli.reference import reference

PAGE = Path(__file__).parents[4] / "docs" / "cli.md"


def commands(group: Any, name: str = "colorlane") -> list[tuple[str, Any]]:
    found = []
    for word, command in group.commands.items():
        nested = hasattr(command, "commands")
        found += commands(command, f"{name} {word}") if nested else [(f"{name} {word}", command)]
    return [(full, command) for full, command in found if not command.hidden]


def test_the_page_is_up_to_date() -> None:
    made = reference(typer.main.get_command(app))
    assert PAGE.read_text() == made, "run: colorlane reference > docs/cli.md"


def test_every_command_has_an_example_of_itself() -> None:
    without = [
        name for name, command in commands(typer.main.get_command(app)) if f"Example: {name}" not in command.help
    ]
    assert not without


def test_every_reading_command_gives_json() -> None:
    reading = ("list", "show", "status", "routes", "proxies", "services", "why")
    for name, command in commands(typer.main.get_command(app)):
        if name.split()[-1] in reading:
            assert any("--json" in parameter.opts for parameter in command.params), name


def test_every_option_is_explained() -> None:
    for name, command in commands(typer.main.get_command(app)):
        for parameter in command.params:
            assert getattr(parameter, "help", "") or parameter.name == "help", f"{name} {parameter.name}"
