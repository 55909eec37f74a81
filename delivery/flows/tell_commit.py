"""Tell a commit: keeps one row for each commit and name; `send_status` tells the host. Neighbours: runs, rollouts."""

from __future__ import annotations

from dataclasses import replace

from delivery.errors import Conflict
from delivery.flows.updates import update
from delivery.flows.world import World
from delivery.ports.forge import CommitState
from delivery.ports.store import CommitStatus


def tell_commit(
    world: World, project: str, revision: str, ref: str, name: str, state: CommitState, text: str, url: str = ""
) -> None:
    """State the newest word on a commit; saying it again changes nothing, several in a row are sent as one."""
    now = world.clock.now()
    id = f"{project}/{revision}/{name}"
    fresh = CommitStatus(id, project, revision, ref, name, state.value, text, url, now)
    try:
        world.store.statuses.add(fresh)
    except Conflict:
        update(world.store.statuses, id, lambda old: _changed(old, fresh))
    world.wake("send_status", id)


def _changed(old: CommitStatus, new: CommitStatus) -> CommitStatus:
    if (old.state, old.description, old.url) == (new.state, new.description, new.url):
        return old
    return replace(new, told=old.told, row_version=old.row_version)
