"""Commands that start things: `up`, `demo`, `doctor`.

Neighbours: embedded, demo, entries (the single processes, which are no commands for people).

Imports stand inside the commands: `colorlane run list` must not wait for the parts of a whole stack to load.
"""

from __future__ import annotations

import signal
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from delivery.cli.client import BAD_ANSWER, USAGE, Failure
from delivery.cli.output import console, plain

if TYPE_CHECKING:
    from delivery.settings import Settings

StateDir = Annotated[Path, typer.Option(help="Where everything is kept.", envvar="COLORLANE_STATE_DIR")]


def settings_of(state_dir: Path) -> Settings:
    """Return the settings of the environment with this state directory. Raises Failure that names the variable."""
    from pydantic import ValidationError

    from delivery.settings import Settings

    try:
        return Settings(state_dir=state_dir)
    except ValidationError as error:
        first = error.errors()[0]
        name = "COLORLANE_" + "_".join(str(part) for part in first["loc"]).upper()
        raise Failure(f"{name}: {first['msg']}", f"correct {name}", USAGE) from error


def up(
    state_dir: StateDir = Path(".colorlane"),
    capture: Annotated[
        bool,
        typer.Option(
            "--capture",
            envvar="COLORLANE_CAPTURE",
            help="Lead connections of workloads to their sidecars by kernel rules (root on Linux, nftables).",
        ),
    ] = False,
) -> None:
    """Start everything on this machine, in the foreground: Redis, mesh, gateway, agent, API, workers.

    Example: colorlane up --state-dir ~/colorlane
    """
    from delivery.embedded import Stack
    from delivery.errors import ColorlaneError

    settings = settings_of(state_dir).model_copy(update={"capture": capture})
    if capture:
        _require_capture()
    told = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: told.set())
    stack = Stack(settings)
    try:
        with console.status("starting"):
            stack.start(lambda event: console.print(f"[dim]▸[/] {plain(event)}"))
        _say_where(settings)
        told.wait()
        console.print("[dim]▸[/] stopping")
    except ColorlaneError as error:
        raise Failure(str(error), str(getattr(error, "remedy", ""))) from error
    finally:
        stack.stop()


def _require_capture() -> None:
    """Raise Failure where capture is asked for and cannot be."""
    from delivery.adapters.platform_local.capturing import require
    from delivery.errors import ColorlaneError

    try:
        require()
    except ColorlaneError as error:
        raise Failure(str(error), str(getattr(error, "remedy", "")), USAGE) from error


def _say_where(settings: Settings) -> None:
    """Print where things are, and what to do first."""
    api = settings.api_url
    console.print()
    console.print(f"[bold]Colorlane is up[/]   page and API  [link={api}]{api}/[/link]")
    console.print(
        f"                    gateway       http://<project>.{plain(settings.domain)}:{settings.gateway_port}/"
    )
    console.print()
    console.print("next:  colorlane project add NAME")
    console.print(f"       git push {api}/git/NAME.git main")
    console.print("[dim]Ctrl-C stops it; what it keeps is in[/] " + plain(settings.state_dir))


def demo(
    exit: Annotated[bool, typer.Option("--exit", help="End when the story has been told.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print the claims as JSON at the end.")] = False,
    state_dir: Annotated[Path, typer.Option(help="A directory for the demo alone; it is emptied.")] = Path(
        ".colorlane-demo"
    ),
) -> None:
    """Start the stack with the sample application and play the whole story with real traffic.

    Exit code 0 only if each claim was observed.

    Example: colorlane demo --exit
    """
    from delivery.demo import play

    code = play(state_dir, end=exit, as_json=json)
    if code:
        raise typer.Exit(code)


def doctor(state_dir: StateDir = Path(".colorlane")) -> None:
    """Check what the embedded stack needs: Git, Envoy, Redis, kubectl, free ports.

    Example: colorlane doctor
    """
    from delivery.cli.doctor import examine

    findings = examine(settings_of(state_dir))
    for finding in findings:
        mark = "[green]✓[/]" if finding.good else "[red]✘[/]"
        console.print(f"{mark} {plain(finding.name)}  [dim]{plain(finding.text)}[/]")
        if not finding.good:
            console.print(f"  [dim]→[/] {plain(finding.remedy)}")
    if not all(finding.good for finding in findings):
        raise typer.Exit(BAD_ANSWER)


def register(app: typer.Typer) -> None:
    """Add the commands to the program."""
    app.command("up")(up)
    app.command("demo")(demo)
    app.command("doctor")(doctor)
