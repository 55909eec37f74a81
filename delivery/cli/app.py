"""App: the command `colorlane`: global options, groups of commands, and how failures are told.

Neighbours: session, client.
"""

from __future__ import annotations

import sys
from importlib.metadata import PackageNotFoundError, version
from typing import Annotated, cast

import typer

from delivery.cli import env, inject, local, mesh, project, rollout, run, service, stack
from delivery.cli.client import Api, Failure
from delivery.cli.output import errors, plain
from delivery.cli.reference import reference
from delivery.cli.session import DEFAULT_API, use

EPILOG = """
Exit codes: 0 done · 1 done, and the answer is bad (failed run, rollback, findings) · 2 wrong usage ·
3 the API cannot be reached · 4 the API refused · 5 the API failed.
"""

# Wrong usage. Some releases of Typer stand on click, others carry a copy of it: its base is found, not imported.
_Complaint = cast(type[typer.BadParameter], typer.BadParameter.__mro__[2])

app = typer.Typer(
    name="colorlane",
    help="Progressive delivery: preview environments by colour, canaries gated by live metrics.",
    epilog=EPILOG,
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
stack.register(app)
for group in (project, env, service, run, rollout, mesh):
    app.add_typer(group.app, name=group.__name__.rpartition(".")[2])
inject.register(mesh.app)
local.register(app)


@app.callback()
def root(
    api: Annotated[str, typer.Option(help="Base URL of the API.", envvar="COLORLANE_API_URL")] = DEFAULT_API,
    token: Annotated[
        str,
        typer.Option(
            hidden=True, envvar="COLORLANE_API_TOKEN", help="Give it by the variable: arguments are visible to all."
        ),
    ] = "",
) -> None:
    """Read the options all commands share."""
    use(Api(api, token))


def program_version() -> str:
    """Return the installed version."""
    try:
        return version("colorlane")
    except PackageNotFoundError:
        return "0"


@app.command("version")
def show_version() -> None:
    """Print the version.

    Example: colorlane version
    """
    print(f"colorlane {program_version()}")


@app.command("reference", hidden=True)
def show_reference() -> None:
    """Print the manual of all commands as Markdown: docs/cli.md."""
    print(reference(typer.main.get_command(app)), end="")


def main(argv: list[str] | None = None) -> int:
    """Run a command line; return its exit code. Failures are one sentence and a remedy on stderr, never a traceback."""
    try:
        result = app(args=argv, prog_name="colorlane", standalone_mode=False)
    except Failure as failure:
        _tell(failure.text, failure.remedy)
        return failure.code
    except _Complaint as error:
        error.show()
        return error.exit_code
    except (typer.Abort, KeyboardInterrupt):
        errors.print("stopped", style="dim")
        return 130
    except BrokenPipeError:
        sys.stderr.close()  # the reader has enough (`| head`): nobody is left to tell
        return 0
    return result if isinstance(result, int) else 0


def _tell(text: str, remedy: str) -> None:
    errors.print(f"[red]✘[/] {plain(text)}")
    if remedy:
        errors.print(f"  [dim]→[/] {plain(remedy)}")
