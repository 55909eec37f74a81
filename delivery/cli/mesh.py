"""Commands `colorlane mesh ...`: what the mesh knows and does. Neighbours: client, output."""

from __future__ import annotations

from typing import Annotated, Any
from urllib.parse import urlsplit

import typer

from delivery.cli.client import Row
from delivery.cli.output import as_json, console, facts, plain, table
from delivery.cli.session import Json, Project, api

app = typer.Typer(help="The mesh: Envoys, routes, and why a request goes where it goes.", no_args_is_help=True)


def cell(value: Any) -> str:
    """Return a value of the mesh's answer in one cell."""
    if isinstance(value, dict):
        return plain(", ".join(f"{name}={_inline(each)}" for name, each in sorted(value.items())))
    return plain(_inline(value))


def _inline(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(_inline(each) for each in value)
    if isinstance(value, dict):
        return " ".join(f"{name}:{_inline(each)}" for name, each in value.items())
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "" if value is None else str(value)


def rows_table(rows: list[Row], empty: str) -> None:
    """Print rows as the mesh gives them: a column for each plain field."""
    names: dict[str, None] = {}
    for row in rows:
        names.update(dict.fromkeys(row))
    columns = list(names)
    table([name.upper() for name in columns], [[cell(row.get(name)) for name in columns] for row in rows], empty)


@app.command("status")
def status(json: Json = False) -> None:
    """Tell how the mesh is.

    Example: colorlane mesh status
    """
    body = api().get("mesh/status")
    if json:
        as_json(body)
    else:
        facts([(str(name), cell(value)) for name, value in body.items()])


@app.command("routes")
def routes(project: Project = "", json: Json = False) -> None:
    """List routes: colour, service, weights.

    Example: colorlane mesh routes --project bookshop
    """
    body = api().get("mesh/routes", namespace=project)
    if json:
        as_json(body)
    else:
        rows_table(body.get("items", []), "No route yet.")


@app.command("services")
def services(project: Project = "", json: Json = False) -> None:
    """List services with their colours and versions.

    Example: colorlane mesh services
    """
    body = api().get("mesh/services", namespace=project)
    if json:
        as_json(body)
    else:
        rows_table(body.get("items", []), "No service yet.")


@app.command("proxies")
def proxies(json: Json = False) -> None:
    """List Envoys and whether they have accepted their configuration.

    Example: colorlane mesh proxies
    """
    body = api().get("mesh/proxies")
    if json:
        as_json(body)
    else:
        rows_table(body.get("items", []), "No Envoy is connected.")


def host_of(asked: str) -> str:
    """Return the host of a URL or of host:port; a bare name as it is. People paste what the browser shows."""
    return urlsplit(asked if "://" in asked else f"//{asked}").hostname or asked


@app.command("why")
def why(
    service: Annotated[str, typer.Argument(help="A service, or the host or URL a browser asks for.")],
    color: Annotated[str, typer.Option("--color", "-c", help="The request's colour; empty: none.")] = "",
    project: Project = "",
    json: Json = False,
) -> None:
    """Explain where a request goes: which version answers, by which rule, what falls back and why.

    Example: colorlane mesh why reviews --color alice --project bookshop
    """
    name = host_of(service)
    target = {"host": name} if "." in name else {"service": name, "namespace": project}
    body = api().get("mesh/why", color=color, **target)
    if json:
        as_json(body)
        return
    for step in body.get("steps", [body.get("answer", "")]):
        console.print(f"[dim]▸[/] {plain(step)}")
    for each in body.get("targets", []):
        ready = " > ".join(f"{lane} ({count} ready)" for lane, count in zip(each["chain"], each["ready"], strict=False))
        console.print(f"[bold]{each['weight']:3d} %[/]  {plain(ready)}")
