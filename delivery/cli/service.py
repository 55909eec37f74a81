"""Commands `colorlane service ...`: what runs of a service in an environment, and what one may do to it.

Neighbours: client, output, terminal (the other end of a shell).
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Annotated, Any

import typer

from delivery.cli.client import USAGE, Failure
from delivery.cli.output import age, as_json, console, plain, short, state, table
from delivery.cli.session import Json, Project, api, person

app = typer.Typer(help="Services as they run: replicas, logs, events, restart, scale, ways back.", no_args_is_help=True)

Environment = Annotated[str, typer.Argument(help="PROJECT/NAME of the environment, or NAME with --project.")]
Service = Annotated[str, typer.Argument(help="Name of the service.")]
Version = Annotated[str, typer.Option("--version", help="Another version than the stable one: the candidate, say.")]

POLL = 1.0  # seconds between looks for new lines


def path_of(environment: str, service: str, project: str, what: str) -> str:
    """Return the address; an environment without a project is looked up. Raises Failure."""
    if "/" not in environment:
        environment = f"{project}/{environment}" if project else str(api().get(f"environments/{environment}")["id"])
    return f"environments/{environment}/services/{service}/{what}"


@app.command("replicas")
def replicas(
    environment: Environment, service: Service, version: Version = "", project: Project = "", json: Json = False
) -> None:
    """List the replicas of a service.

    Example: colorlane service replicas bookshop/alice reviews
    """
    rows = api().get(path_of(environment, service, project, "replicas"), version=version)
    if json:
        as_json(rows)
        return
    cells = [
        [
            plain(row["name"]),
            state(row["state"]),
            age(row["started_at"]) if row["started_at"] else "",
            str(row["restarts"]),
            plain(row["address"]),
            plain(row["node"]),
            plain(row["reason"]),
        ]
        for row in rows
    ]
    table(["REPLICA", "STATE", "AGE", "RESTARTS", "ADDRESS", "NODE", ""], cells, "Nothing of it runs there.")


@app.command("logs")
def logs(
    environment: Environment,
    service: Service,
    tail: Annotated[int, typer.Option("--tail", min=1, max=10_000, help="Lines of each replica.")] = 200,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on until Ctrl-C.")] = False,
    version: Version = "",
    project: Project = "",
) -> None:
    """Print the last output of a service.

    Example: colorlane service logs bookshop/alice reviews --follow
    """
    path = path_of(environment, service, project, "logs")
    seen: list[str] = []
    while True:
        lines = api().text(path, version=version, tail=tail).splitlines()
        for line in fresh_lines(seen, lines):
            console.print(plain(line))
        if not follow:
            return
        seen = lines
        time.sleep(POLL)


def fresh_lines(seen: Sequence[str], lines: Sequence[str]) -> list[str]:
    """Return the lines that were not there at the last look, replica by replica: `lines` begin with `[<replica>] `."""
    before: dict[str, list[str]] = {}
    for line in seen:
        before.setdefault(line.partition("] ")[0], []).append(line)
    now: dict[str, list[str]] = {}
    for line in lines:
        now.setdefault(line.partition("] ")[0], []).append(line)
    return [line for replica, held in now.items() for line in _after(before.get(replica, []), held)]


def _after(seen: Sequence[str], lines: Sequence[str]) -> Sequence[str]:
    """Return what follows the longest end of `seen` that `lines` begin with."""
    for length in range(min(len(seen), len(lines)), 0, -1):
        if list(seen[-length:]) == list(lines[:length]):
            return lines[length:]
    return lines


@app.command("events")
def events(
    environment: Environment, service: Service, version: Version = "", project: Project = "", json: Json = False
) -> None:
    """Tell what happened to a service lately: started, unhealthy, killed, back-off.

    Example: colorlane service events bookshop/production reviews
    """
    rows = api().get(path_of(environment, service, project, "events"), version=version)
    if json:
        as_json(rows)
        return
    cells = [
        [
            age(row["at"]),
            f"[yellow]{plain(row['reason'])}[/]" if row["warning"] else plain(row["reason"]),
            plain(row["subject"]),
            plain(row["text"]) + (f" (x{row['count']})" if row["count"] > 1 else ""),
        ]
        for row in rows
    ]
    table(["AGE", "REASON", "OBJECT", ""], cells, "Nothing has happened lately.")


@app.command("drift")
def drift(
    environment: Environment, service: Service, version: Version = "", project: Project = "", json: Json = False
) -> None:
    """Say what somebody has changed by hand since the service was deployed.

    Example: colorlane service drift bookshop/production reviews
    """
    lines = api().get(path_of(environment, service, project, "drift"), version=version)
    if json:
        as_json(lines)
        return
    for line in lines or ["Nothing: it is as it was deployed."]:
        console.print(plain(line))


@app.command("restart")
def restart(
    environment: Environment,
    service: Service,
    reason: Annotated[str, typer.Option("--reason", help="Kept in the audit trail.")] = "",
    version: Version = "",
    project: Project = "",
    json: Json = False,
) -> None:
    """Replace every replica, new ones first: no request fails.

    Example: colorlane service restart bookshop/alice reviews
    """
    path = path_of(environment, service, project, "restart")
    _said(api().post(path, {"by": person(), "reason": reason}, version=version), "is being restarted", json)


@app.command("scale")
def scale(
    environment: Environment,
    service: Service,
    replicas: Annotated[str, typer.Argument(help="A number, or `auto` for what the manifests say.")],
    version: Version = "",
    project: Project = "",
    json: Json = False,
) -> None:
    """Run another number of replicas; the next release starts as its manifests say.

    Example: colorlane service scale bookshop/production reviews 3
    """
    if replicas != "auto" and not replicas.isdecimal():
        raise Failure(f"{replicas!r} is no number of replicas", "give a number, or auto", USAGE)
    wanted = None if replicas == "auto" else int(replicas)
    path = path_of(environment, service, project, "scale")
    _said(api().post(path, {"by": person(), "replicas": wanted}, version=version), f"is scaled to {replicas}", json)


@app.command("history")
def history(environment: Environment, service: Service, project: Project = "", json: Json = False) -> None:
    """List the releases that were the stable one, newest first.

    Example: colorlane service history bookshop/production reviews
    """
    rows = api().get(path_of(environment, service, project, "revisions"))
    if json:
        as_json(rows)
        return
    cells = [
        [
            plain(row["version"]),
            short(row["revision"]),
            age(row["at"]),
            plain(row["rollout"]),
            "runs now" if row["current"] else plain(row["quarantined"] and f"quarantined: {row['quarantined']}"),
        ]
        for row in rows
    ]
    table(["VERSION", "COMMIT", "AGE", "ROLLOUT", ""], cells, "Nothing has been promoted there yet.")


@app.command("rollback")
def rollback(
    environment: Environment,
    service: Service,
    to: Annotated[str, typer.Option("--to", help="Version, or commit; `service history` lists them.")],
    project: Project = "",
    json: Json = False,
) -> None:
    """Go back to a release that ran there before: a rollout without steps.

    Example: colorlane service rollback bookshop/production reviews --to 3f2a9c1
    """
    row = api().post(path_of(environment, service, project, "rollback"), {"to": to, "by": person()})
    if json:
        as_json(row)
    else:
        console.print(f"[green]✓[/] rollout {plain(row['id'])} brings {plain(row['candidate'])} back")


@app.command("shell")
def shell(
    environment: Environment,
    service: Service,
    command: Annotated[list[str] | None, typer.Argument(help="What to run; after `--` where it has options.")] = None,
    replica: Annotated[str, typer.Option("--replica", help="Which one; default: any that is ready.")] = "",
    token: Annotated[
        str, typer.Option("--token", envvar="COLORLANE_SHELL_TOKEN", help="The token for shells.", show_default=False)
    ] = "",
    version: Version = "",
    project: Project = "",
) -> None:
    """Open a terminal in a replica. The API's operator has to allow it; it stands in the audit trail.

    Example: colorlane service shell bookshop/alice reviews
    """
    if not token:
        raise Failure("a shell needs a token of its own", "set COLORLANE_SHELL_TOKEN to the API's", USAGE)
    from delivery.cli.terminal import attach  # loads what only this command needs

    query = {"command": command or ["sh"], "replica": replica, "version": version, "by": person()}
    raise typer.Exit(attach(api().base, path_of(environment, service, project, "shell"), query, token))


def _said(row: dict[str, Any], text: str, json: bool) -> None:
    if json:
        as_json(row)
    else:
        console.print(f"[green]✓[/] {plain(row['service'])} {plain(row['version'])} {text}")
