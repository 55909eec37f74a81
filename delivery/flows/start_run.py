"""Start a run: its row, its status on the commit, a nudge. Neighbours: process_delivery, operate_run, advance_run."""

from __future__ import annotations

from delivery.errors import Conflict
from delivery.flows.report_run import report_run
from delivery.flows.world import World
from delivery.projects import Project
from pipelines.runs import Run


def run_id(project: str, number: int) -> str:
    """Return the run's id; a dot, because project and service names have none."""
    return f"{project}.{number}"


def start_run(world: World, project: Project, id: str, ref: str, branch: str, revision: str, author: str) -> Run:
    """Return the run, made now or by an earlier try."""
    fresh = Run(
        id=id,
        project=project.name,
        ref=ref,
        branch=branch,
        revision=revision,
        number=int(id.rpartition(".")[2]),
        author=author,
        created_at=world.clock.now(),
    )
    try:
        run = world.store.runs.add(fresh)
        text = f"{branch} at {revision[:12]}"
        world.tell(run.project, f"run/{run.id}", "run.queued", text, author, branch=branch, revision=revision)
    except Conflict:
        run = world.store.runs.get(id)
    report_run(world, run)
    world.wake("advance_run", run.id)
    return run
