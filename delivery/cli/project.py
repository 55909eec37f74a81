"""Commands `colorlane project ...`. Neighbours: client, output."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from delivery.cli.output import age, as_json, console, facts, plain, table
from delivery.cli.session import Json, api

app = typer.Typer(help="Register and look at projects: Git repositories with a colorlane.yaml.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="Name of the project: a DNS label.")]


def _secret(path: Path | None) -> str:
    """Read a secret from a file, so that it stands neither in the process list nor in the shell's history."""
    return path.read_text().strip() if path else ""


@app.command("add")
def add(
    name: Name,
    default_branch: Annotated[str, typer.Option(help="The branch production follows.")] = "main",
    forge: Annotated[str, typer.Option(help="`embedded`, or `gitlab`.")] = "embedded",
    clone_url: Annotated[str, typer.Option(help="GitLab: where to fetch from.")] = "",
    forge_url: Annotated[str, typer.Option(help="GitLab: base URL of the instance.")] = "",
    forge_project: Annotated[str, typer.Option(help="GitLab: path (group/name) or id of the repository.")] = "",
    token_file: Annotated[Path | None, typer.Option(exists=True, help="GitLab: file with an API token.")] = None,
    webhook_secret_file: Annotated[
        Path | None, typer.Option(exists=True, help="GitLab: file with the hook's secret or signing token (whsec_...).")
    ] = None,
    json: Json = False,
) -> None:
    """Register a repository.

    Example: colorlane project add bookshop && git push http://localhost:8000/git/bookshop.git main
    """
    body = {
        "name": name,
        "default_branch": default_branch,
        "forge": forge,
        "clone_url": clone_url,
        "forge_url": forge_url,
        "forge_project": forge_project,
        "token": _secret(token_file),
        "webhook_secret": _secret(webhook_secret_file),
    }
    row = api().post("projects", body)
    if json:
        as_json(row)
        return
    console.print(f"[green]✓[/] {plain(row['name'])} is registered")
    if row["forge"] == "embedded":
        console.print(f"  push to it:  git push {plain(row['clone_url'])} {plain(default_branch)}")
    else:
        console.print(f"  point its webhook at  {api().base}/webhooks/gitlab?project={plain(name)}")
    console.print(f"  it answers at  {plain(row['url'])}")


@app.command("list")
def list_projects(json: Json = False) -> None:
    """List projects.

    Example: colorlane project list --json
    """
    rows = api().items("projects", limit=500)
    if json:
        as_json(rows)
        return
    cells = [
        [plain(r["name"]), plain(r["forge"]), plain(r["clone_url"]), plain(r["url"]), age(r["created_at"])]
        for r in rows
    ]
    table(["PROJECT", "HOST", "REPOSITORY", "URL", "AGE"], cells, "No project yet: `colorlane project add NAME`.")


@app.command("show")
def show(name: Name, json: Json = False) -> None:
    """Show one project.

    Example: colorlane project show bookshop
    """
    row = api().get(f"projects/{name}")
    if json:
        as_json(row)
        return
    names = ("name", "forge", "clone_url", "forge_url", "forge_project", "default_branch", "domain", "url")
    facts(
        [(each.replace("_", " "), plain(row[each])) for each in names]
        + [("registered", age(row["created_at"]) + " ago")]
    )


@app.command("secrets")
def secrets(
    name: Name,
    token_file: Annotated[Path | None, typer.Option(exists=True, help="File with the new API token.")] = None,
    webhook_secret_file: Annotated[
        Path | None, typer.Option(exists=True, help="File with the hook's new secret; old and new, comma separated.")
    ] = None,
    json: Json = False,
) -> None:
    """Store a new token or webhook secret; what is not given stays.

    Example: colorlane project secrets bookshop --token-file /dev/stdin
    """
    body = {"token": _secret(token_file), "webhook_secret": _secret(webhook_secret_file)}
    row = api().post(f"projects/{name}/secrets", body)
    if json:
        as_json(row)
    else:
        console.print(f"[green]✓[/] {plain(name)} has new secrets")


@app.command("remove")
def remove(
    name: Name, yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False, json: Json = False
) -> None:
    """Remove a project, its environments and its embedded repository.

    Example: colorlane project remove bookshop --yes
    """
    if not yes:
        typer.confirm(f"Remove {name} with all its environments?", abort=True)
    row = api().delete(f"projects/{name}")
    if json:
        as_json(row)
    else:
        console.print(f"[green]✓[/] {plain(name)} is being removed")
