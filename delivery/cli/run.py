"""Commands `colorlane run ...`. Neighbours: client, output."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from delivery.cli.client import BAD_ANSWER
from delivery.cli.output import age, as_json, console, facts, plain, short, state, table
from delivery.cli.session import Json, Limit, Project, api, person

app = typer.Typer(help="Runs: what a push set going: plan, build, test, deploy.", no_args_is_help=True)

Id = Annotated[str, typer.Argument(help="Id of the run.")]


@app.command("list")
def list_runs(
    project: Project = "",
    branch: Annotated[str, typer.Option(help="Only of this branch.")] = "",
    limit: Limit = 20,
    json: Json = False,
) -> None:
    """List runs, newest first.

    Example: colorlane run list --project bookshop --branch main
    """
    rows = api().items("runs", limit=limit, project=project, branch=branch)
    if json:
        as_json(rows)
        return
    cells = [
        [
            plain(row["id"]),
            plain(row["project"]),
            plain(row["branch"] or row["ref"]),
            short(row["revision"]),
            state(row["state"]),
            age(row["created_at"]),
            plain(row["message"]),
        ]
        for row in rows
    ]
    table(["RUN", "PROJECT", "BRANCH", "COMMIT", "STATE", "AGE", ""], cells, "No run yet: push something.")


@app.command("show")
def show(id: Id, json: Json = False) -> None:
    """Show one run: why each service is built or not, and how its jobs went.

    Example: colorlane run show bookshop-5
    """
    row = api().get(f"runs/{id}")
    if json:
        as_json(row)
        return
    facts(
        [
            ("run", plain(row["id"])),
            ("state", state(row["state"])),
            ("branch", plain(row["branch"] or row["ref"])),
            ("commit", short(row["revision"])),
            ("author", plain(row["author"])),
            ("message", plain(row["message"])),
            ("rollouts", plain(", ".join(row["rollouts"]))),
        ]
    )
    console.print()
    jobs = {job["service"]: job for job in row["jobs"]}
    cells = [
        [plain(service), state(jobs[service]["state"]) if service in jobs else "", plain(reason)]
        for service, reason in sorted(row["reasons"].items())
    ]
    table(["SERVICE", "JOB", "WHY"], cells, "Not planned yet.")


@app.command("logs")
def logs(
    id: Id,
    service: Annotated[str, typer.Option("--service", "-s", help="Only of this service.")] = "",
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on until the run ends.")] = False,
    start: Annotated[int, typer.Option("--from", help="Byte offset to begin at; negative: from the end.")] = 0,
) -> None:
    """Print a run's output.

    Example: colorlane run logs bookshop-5 --follow
    """
    with api().stream(f"runs/{id}/logs", service=service, follow=follow, from_=start or None) as response:
        for chunk in response.iter_bytes():
            sys.stdout.buffer.write(chunk)
            sys.stdout.buffer.flush()
    if follow and api().get(f"runs/{id}")["state"] == "failed":
        raise typer.Exit(BAD_ANSWER)


@app.command("cancel")
def cancel(id: Id, json: Json = False) -> None:
    """Stop a run.

    Example: colorlane run cancel bookshop-5
    """
    row = api().post(f"runs/{id}/cancel", by=person())
    if json:
        as_json(row)
    else:
        console.print(f"[green]✓[/] {plain(row['id'])}: {state(row['state'])}, to be cancelled")


@app.command("retry")
def retry(id: Id, json: Json = False) -> None:
    """Run the same commit again.

    Example: colorlane run retry bookshop-5
    """
    row = api().post(f"runs/{id}/retry", by=person())
    if json:
        as_json(row)
    else:
        console.print(f"[green]✓[/] new run {plain(row['id'])}")
