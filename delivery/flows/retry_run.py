"""Retry a run: a new run of the same commit; what was built is reused by content."""

from __future__ import annotations

from delivery.errors import Conflict
from delivery.flows.start_run import run_id, start_run
from delivery.flows.world import World
from pipelines.runs import RUN_ENDED, Run


def retry_run(world: World, id: str, actor: str) -> Run:
    """Return the new run. Raises NotFound, Conflict when the old one has not ended."""
    old = world.store.runs.get(id)
    if old.state not in RUN_ENDED:
        raise Conflict(f"run {id} is {old.state.value}", field="state", value=old.state.value, remedy="cancel it first")
    project = world.store.projects.get(old.project)
    new = run_id(old.project, world.store.next_generation(f"run/{old.project}"))
    world.tell(old.project, f"run/{id}", "run.retry", f"retried as run {new}", actor)
    return start_run(world, project, new, old.ref, old.branch, old.revision, actor or old.author)
