"""Send a status: one serialised writer for each commit and name tells the Git host the newest state.

GitLab refuses out-of-order transitions and races; hence one writer, the newest state only, and patience while the
host is away. Neighbours: tell_commit, adapters.forge_*.
"""

from __future__ import annotations

from dataclasses import replace

import structlog

from delivery.errors import NotFound, Rejected, Transient
from delivery.flows.leases import held
from delivery.flows.updates import update
from delivery.flows.world import World
from delivery.ports.forge import CommitState
from delivery.ports.store import CommitStatus

log = structlog.get_logger(__name__)

_PASSING = (CommitState.PENDING, CommitState.RUNNING)  # GitLab refuses to be told these twice, whatever the text
LONGEST_WAIT = 300.0  # seconds between tries while the host is away


def send_status(world: World, id: str) -> None:
    """Tell the host if it has not been told; a state that came meanwhile is sent by the next call."""
    with held(world, f"status/{id}") as mine:
        if not mine:
            return
        status = world.store.statuses.get(id)
        if status.sent_at is not None or status.retry_at > world.clock.now():
            return
        try:
            _send(world, status)
        except Transient as error:
            _later(world, status, error)
            return
        except Rejected as error:
            log.warning("status refused", status=id, reason=error.message)
        _sent(world, status)


def _send(world: World, status: CommitStatus) -> None:
    if status.state == status.told and status.state in _PASSING:
        return
    try:
        project = world.store.projects.get(status.project)
    except NotFound:
        return  # nobody is left to be told
    state = CommitState(status.state)
    world.forge(project).set_status(
        project, status.revision, status.ref, status.name, state, status.description, status.url
    )


def _sent(world: World, told: CommitStatus) -> None:
    now = world.clock.now()
    same = (told.state, told.description, told.updated_at)

    def sent(row: CommitStatus) -> CommitStatus:
        is_newest = (row.state, row.description, row.updated_at) == same
        return replace(row, told=told.state, sent_at=now if is_newest else None)

    saved = update(world.store.statuses, told.id, sent)
    if saved.sent_at is None:
        world.wake("send_status", told.id)


def _later(world: World, status: CommitStatus, error: Transient) -> None:
    wait = min(max(error.retry_after, 2.0**status.attempts), LONGEST_WAIT)
    now = world.clock.now()
    update(world.store.statuses, status.id, lambda row: replace(row, attempts=row.attempts + 1, retry_at=now + wait))
    log.info("status delayed", status=status.id, seconds=wait, reason=error.message)
