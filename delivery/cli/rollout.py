"""Commands `colorlane rollout ...`. Neighbours: client, output, watch."""

from __future__ import annotations

from typing import Annotated

import typer

from delivery.cli.client import BAD_ANSWER, Row
from delivery.cli.output import age, as_json, console, facts, plain, short, state, table
from delivery.cli.session import Json, Limit, Project, api, person
from delivery.cli.watch import watch_rollout

app = typer.Typer(help="Rollouts: versions on their way to users, step by step.", no_args_is_help=True)

Id = Annotated[str, typer.Argument(help="Id of the rollout.")]
Comment = Annotated[str, typer.Option("--comment", "-m", help="Why; kept in the audit trail.")]
By = Annotated[str, typer.Option("--by", help="Who decides; default: you.")]


@app.command("list")
def list_rollouts(
    project: Project = "",
    active: Annotated[bool, typer.Option("--active", help="Only those that have not ended.")] = False,
    limit: Limit = 20,
    json: Json = False,
) -> None:
    """List rollouts, newest first.

    Example: colorlane rollout list --active
    """
    rows = api().items("rollouts", limit=limit, project=project, active=active)
    if json:
        as_json(rows)
        return
    cells = [
        [
            plain(row["id"]),
            plain(row["environment"]),
            plain(row["service"]),
            f"{short(row['stable'])} → {short(row['candidate'])}",
            f"{row['weight']} %",
            state(row["phase"]),
            age(row["created_at"]),
            plain("; ".join(row["waiting_on"]) or row["message"]),
        ]
        for row in rows
    ]
    heads = ["ROLLOUT", "ENVIRONMENT", "SERVICE", "CHANGE", "WEIGHT", "PHASE", "AGE", ""]
    empty = "No rollout is under way; without --active you see those that have ended."
    table(heads, cells, empty if active else "No rollout: push a change to a service.")


@app.command("show")
def show(id: Id, json: Json = False) -> None:
    """Show one rollout: steps, what it waits for, the gate's verdict, who decided what.

    Example: colorlane rollout show bookshop-12
    """
    row = api().get(f"rollouts/{id}")
    if json:
        as_json(row)
        return
    facts(
        [
            ("rollout", plain(row["id"])),
            ("service", f"{plain(row['service'])} in {plain(row['environment'])}"),
            ("change", f"{short(row['stable']) or '(nothing)'} → {short(row['candidate'])}"),
            ("artifact", plain(row["artifact"])),
            ("commit", short(row["revision"])),
            ("phase", state(row["phase"])),
            ("weight", f"{row['weight']} %"),
            ("steps", _steps(row)),
            ("waiting on", plain("; ".join(row["waiting_on"]))),
            ("gate", plain(row["verdict"].get("sentence", ""))),
            ("message", plain(row["message"])),
        ]
    )
    for each in row["approvals"]:
        verb = "[green]approved[/]" if each["approved"] else "[red]rejected[/]"
        who = f"by {plain(each['approver'])} {age(each['at'])} ago {plain(each['comment'])}"
        console.print(f"step {each['step'] + 1} {verb} {who}")


def _steps(row: Row) -> str:
    """Return the steps on one line, the one under way marked."""
    words = []
    for index, step in enumerate(row["steps"]):
        text = plain(step_words(step))
        here = index == row["step"] and not row["ended"]
        words.append(f"[bold reverse] {text} [/]" if here else text)
    return " · ".join(words) or "at once"


def step_words(step: Row) -> str:
    """Return a step as people say it."""
    (kind, value), *_ = step.items()
    if kind == "setWeight":
        return f"{value} %"
    if kind == "analysis":
        return f"gate (at most {value['max']})"
    return f"pause {value['duration']}" if value else "approval"


@app.command("watch")
def watch(id: Id) -> None:
    """Follow a rollout until it ends. Exit code 1 when it is not promoted.

    Example: colorlane rollout watch bookshop-12
    """
    if watch_rollout(api(), id) != "promoted":
        raise typer.Exit(BAD_ANSWER)


def _decide(id: str, verb: str, by: str, comment: str, json: bool) -> None:
    """Approve or reject what stands there now: bound to commit, digest and step as just read."""
    seen = api().get(f"rollouts/{id}")
    body = {name: seen[name] for name in ("revision", "artifact", "step")}
    _send(id, verb, {**body, "by": by or person(), "comment": comment}, json)


def _command(id: str, verb: str, by: str, comment: str, json: bool) -> None:
    _send(id, verb, {"by": by or person(), "comment": comment}, json)


def _send(id: str, verb: str, body: Row, json: bool) -> None:
    row = api().post(f"rollouts/{id}/{verb}", body)
    if json:
        as_json(row)
    else:
        console.print(f"[green]✓[/] {verb}: {plain(row['service'])} {short(row['candidate'])}, {state(row['phase'])}")


@app.command("approve")
def approve(id: Id, comment: Comment = "", by: By = "", json: Json = False) -> None:
    """Say yes to the step that waits for a person.

    Example: colorlane rollout approve bookshop-12 -m "looks good"
    """
    _decide(id, "approve", by, comment, json)


@app.command("reject")
def reject(id: Id, comment: Comment = "", by: By = "", json: Json = False) -> None:
    """Say no: the rollout is rolled back.

    Example: colorlane rollout reject bookshop-12 -m "prices are wrong"
    """
    _decide(id, "reject", by, comment, json)


@app.command("promote")
def promote(id: Id, comment: Comment = "", by: By = "", json: Json = False) -> None:
    """Skip the remaining steps and promote now.

    Example: colorlane rollout promote bookshop-12 -m hotfix
    """
    _command(id, "promote", by, comment, json)


@app.command("abort")
def abort(id: Id, comment: Comment = "", by: By = "", json: Json = False) -> None:
    """Roll back now.

    Example: colorlane rollout abort bookshop-12
    """
    _command(id, "abort", by, comment, json)


@app.command("retry")
def retry(id: Id, comment: Comment = "", by: By = "", json: Json = False) -> None:
    """Try a rolled back release again.

    Example: colorlane rollout retry bookshop-12
    """
    _command(id, "retry", by, comment, json)


@app.command("pause")
def pause(id: Id, comment: Comment = "", by: By = "", json: Json = False) -> None:
    """Hold a rollout where it is; weights stay.

    Example: colorlane rollout pause bookshop-12
    """
    _command(id, "pause", by, comment, json)


@app.command("resume")
def resume(id: Id, comment: Comment = "", by: By = "", json: Json = False) -> None:
    """Let a paused rollout go on.

    Example: colorlane rollout resume bookshop-12
    """
    _command(id, "resume", by, comment, json)
