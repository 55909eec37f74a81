"""Commands that need no API: `lint` a colorlane.yaml, `simulate` a rollout from a script.

Neighbours: pipelines.specs.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from delivery.cli.client import BAD_ANSWER, USAGE, Failure
from delivery.cli.output import as_json, console, plain
from delivery.cli.session import Json


def lint(
    file: Annotated[Path, typer.Argument(help="The file to check.")] = Path("colorlane.yaml"), json: Json = False
) -> None:
    """Check a colorlane.yaml: every problem at once, with line, field and remedy. Exit code 1 when there is one.

    Example: colorlane lint && git push
    """
    from pipelines.errors import InvalidSpec
    from pipelines.specs import parse_spec

    try:
        spec = parse_spec(_read(file), str(file))
    except InvalidSpec as error:
        if json:
            as_json([vars(problem) for problem in error.problems])
        else:
            for problem in error.problems:
                console.print(f"[red]✘[/] {plain(problem)}", soft_wrap=True)
        raise typer.Exit(BAD_ANSWER) from error
    if json:
        as_json([])
    else:
        names = (
            f"{len(spec.services)} services, {len(spec.environments)} environments, {len(spec.strategies)} strategies"
        )
        console.print(f"[green]✓[/] {plain(file)}: {names}")


def simulate(file: Annotated[Path, typer.Argument(help="A scenario: one event a line.")]) -> None:
    """Play a rollout from a script through the real decision function, without any process or network.

    Example: colorlane simulate slow-canary.scenario
    """
    from delivery.errors import Rejected
    from delivery.rollouts.scenario import run_scenario

    try:
        print(run_scenario(_read(file).decode("utf-8", "replace")))
    except Rejected as error:
        raise Failure(error.message, error.remedy) from error


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise Failure(
            f"{file}: {error.strerror}", "name a file that is there, e.g. colorlane lint colorlane.yaml", USAGE
        ) from error


def register(app: typer.Typer) -> None:
    """Add the commands to the program."""
    app.command("lint")(lint)
    app.command("simulate")(simulate)
