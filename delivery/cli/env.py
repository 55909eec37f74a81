"""Commands `colorlane env ...`. Neighbours: client, output."""

from __future__ import annotations

import webbrowser
from typing import Annotated

import typer

from delivery.cli.client import Row
from delivery.cli.output import age, as_json, console, facts, left, plain, short, state, table
from delivery.cli.session import Json, Project, api, person

app = typer.Typer(
    help="Environments: production and the previews of branches, each with its colour.", no_args_is_help=True
)

Name = Annotated[str, typer.Argument(help="Name of the environment, or PROJECT/NAME.")]


def path_of(name: str, project: str) -> str:
    """Return the address of an environment; a bare name is enough where one project only has it."""
    full = name if "/" in name or not project else f"{project}/{name}"
    return f"environments/{full}"


@app.command("list")
def list_environments(project: Project = "", json: Json = False) -> None:
    """List environments with their URLs.

    Example: colorlane env list --project bookshop
    """
    rows = api().items("environments", limit=500, project=project)
    if json:
        as_json(rows)
        return
    cells = [
        [
            plain(row["id"]),
            state(row["state"]),
            plain(row["url"]),
            age(row["created_at"]),
            left(row["expires_at"]),
            plain(row["branch"]),
            plain(", ".join(sorted(row["workloads"]))),
        ]
        for row in rows
    ]
    heads = ["ENVIRONMENT", "STATE", "URL", "AGE", "ENDS", "BRANCH", "SERVICES"]
    table(heads, cells, "No environment yet: push a branch, and it gets one.")


@app.command("show")
def show(name: Name, project: Project = "", json: Json = False) -> None:
    """Show one environment and what runs in it.

    Example: colorlane env show bookshop/alice
    """
    row = api().get(path_of(name, project))
    if json:
        as_json(row)
        return
    facts(
        [
            ("environment", plain(row["id"])),
            ("state", state(row["state"])),
            ("branch", plain(row["branch"])),
            ("colour", plain(row["color"] or "none: the baseline")),
            ("commit", short(row["revision"])),
            ("url", plain(row["url"])),
            ("owner", plain(row["owner"])),
            ("ends", left(row["expires_at"])),
        ]
    )
    _workloads(row)


def _workloads(row: Row) -> None:
    console.print()
    cells = [
        [
            plain(each["service"]),
            plain(each["version"]),
            state(each["health"]),
            f"{each['ready']}/{each['wanted']}",
            str(each["restarts"]),
            plain(each["reason"]),
        ]
        for each in row["status"]
    ]
    table(["SERVICE", "VERSION", "HEALTH", "READY", "RESTARTS", ""], cells, "Nothing of its own runs here.")


@app.command("open")
def open_environment(name: Name, project: Project = "") -> None:
    """Open the environment's URL in the browser.

    Example: colorlane env open alice
    """
    row = api().get(path_of(name, project))
    console.print(plain(row["url"]))
    webbrowser.open(row["url"])


@app.command("extend")
def extend(
    name: Name,
    duration: Annotated[str, typer.Option("--for", help="From now on: 12h, 7d, 2w.")] = "7d",
    project: Project = "",
    json: Json = False,
) -> None:
    """Let an environment live longer.

    Example: colorlane env extend alice --for 2w
    """
    row = api().post(f"{path_of(name, project)}/extend", {"duration": duration, "by": person()})
    if json:
        as_json(row)
    else:
        console.print(f"[green]✓[/] {plain(row['id'])} ends {left(row['expires_at']) or 'with its branch'}")


@app.command("delete")
def delete(
    name: Name,
    project: Project = "",
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    json: Json = False,
) -> None:
    """Delete an environment: its routes, processes and files.

    Example: colorlane env delete alice --yes
    """
    if not yes:
        typer.confirm(f"Delete the environment {name}?", abort=True)
    row = api().delete(path_of(name, project), by=person())
    if json:
        as_json(row)
    else:
        console.print(f"[green]✓[/] {plain(row['id'])} is being deleted")
