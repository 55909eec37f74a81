"""Process a delivery: a push becomes a run, a deleted branch the end of its environment, the rest a stated reason.

Order is by ancestry, not by arrival: a push that was overtaken by one we have seen is ignored, with the reason.
Neighbours: receive_delivery, detect_pushes, start_run, operate_environment.
"""

from __future__ import annotations

from dataclasses import replace

import structlog

from delivery.deliveries import Delivery, DeliveryState, Head, Push
from delivery.errors import Conflict, NotFound, Rejected, Transient
from delivery.flows.leases import held
from delivery.flows.operate_environment import delete_branch
from delivery.flows.operate_run import supersede
from delivery.flows.pushes import push_of
from delivery.flows.start_run import run_id, start_run
from delivery.flows.updates import update
from delivery.flows.world import World
from delivery.projects import Project

log = structlog.get_logger(__name__)

SKIP_MARKERS = ("[skip ci]", "[ci skip]")


def process_delivery(world: World, id: str) -> None:
    """Act on a received delivery once; pushes of one project are taken one at a time."""
    delivery = world.store.deliveries.get(id)
    with held(world, f"pushes/{delivery.project}") as mine:
        delivery = world.store.deliveries.get(id)
        if not mine or delivery.state is not DeliveryState.RECEIVED:
            return
        push = push_of(delivery)
        if push is None:
            _close(world, delivery, DeliveryState.IGNORED, f"event {delivery.event!r} is not acted on")
            return
        try:
            _act(world, delivery, push)
        except Conflict:
            raise
        except Rejected as error:  # e.g. a commit that was pushed away again before we could fetch it
            delivery = world.store.deliveries.get(id)
            _close(world, delivery, DeliveryState.IGNORED, error.message)
        except Transient as error:
            waits = f"waits: {error.message}"
            update(world.store.deliveries, id, lambda row: row if row.outcome == waits else replace(row, outcome=waits))
            raise


def _act(world: World, delivery: Delivery, push: Push) -> None:
    project = world.store.projects.get(delivery.project)
    head = _head(world, project, push)
    if reason := _why_not(world, project, push, head, delivery):
        _close(world, delivery, DeliveryState.IGNORED, reason)
        return
    if not push.after:
        delete_branch(world, project.name, push.branch, by=push.author)
        outcome = f"branch {push.branch} deleted"
    elif _skipped(world, project, push):
        _see(world, project, push, head)
        _close(world, delivery, DeliveryState.IGNORED, "the commit message asks to skip")
        return
    else:
        delivery = _number(world, delivery)
        run = start_run(world, project, delivery.run, push.ref, push.branch, push.after, _author(world, project, push))
        supersede(world, run)
        outcome = f"run {run.number}"
    _see(world, project, push, head)
    _close(world, delivery, DeliveryState.PROCESSED, outcome)


def _why_not(world: World, project: Project, push: Push, head: Head | None, delivery: Delivery) -> str:
    """Return why nothing is to be done, or ""."""
    if not push.branch:
        return f"{push.ref} is no branch"
    if project.removing:
        return "the project is being removed"
    seen = head.revision if head else ""
    if head and seen == push.after:
        return "" if delivery.run else "this state of the branch has been acted on"
    if not head or (seen and push.before == seen):
        return ""
    now = world.forge(project).heads(project).get(push.branch, "")
    if now == push.after:
        return ""
    if not push.after:
        return "the branch exists again"
    if now == seen:  # messages came in another order than the pushes
        return f"overtaken: the branch is {f'at {now[:12]}' if now else 'gone'} and that has been acted on"
    repository = world.forge(project).repository(project)
    if seen and world.builds.is_ancestor(repository, push.after, seen):
        return f"overtaken: {seen[:12]} contains it and has been acted on"
    return ""


def _skipped(world: World, project: Project, push: Push) -> bool:
    repository = world.forge(project).repository(project)
    message = world.builds.commit(repository, push.after).message.lower()
    return any(marker in message for marker in SKIP_MARKERS)


def _author(world: World, project: Project, push: Push) -> str:
    return push.author or world.builds.commit(world.forge(project).repository(project, push.after), push.after).author


def _number(world: World, delivery: Delivery) -> Delivery:
    """Reserve the run's id in the ledger first, so that a repeat after a crash makes the same run, not another."""
    if delivery.run:
        return delivery
    number = world.store.next_generation(f"run/{delivery.project}")
    return world.store.deliveries.save(replace(delivery, run=run_id(delivery.project, number)))


def _head(world: World, project: Project, push: Push) -> Head | None:
    try:
        return world.store.heads.get(f"{project.name}/{push.ref}")
    except NotFound:
        return None


def _see(world: World, project: Project, push: Push, head: Head | None) -> None:
    now = world.clock.now()
    id = f"{project.name}/{push.ref}"
    if head is None:
        try:
            world.store.heads.add(Head(id, project.name, push.ref, push.after, now))
            return
        except Conflict:
            log.debug("head was there already", head=id)
    update(world.store.heads, id, lambda row: replace(row, revision=push.after, at=now))


def _close(world: World, delivery: Delivery, state: DeliveryState, outcome: str) -> None:
    world.store.deliveries.save(replace(delivery, state=state, outcome=outcome))
    log.info("delivery", delivery=delivery.id, state=state.value, outcome=outcome)
