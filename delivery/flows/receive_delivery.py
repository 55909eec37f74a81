"""Receive a delivery: durably into the ledger, at once, and nothing else; the work is `process_delivery`'s."""

from __future__ import annotations

import hashlib
from dataclasses import replace

from delivery.deliveries import Delivery, DeliveryState
from delivery.errors import Conflict
from delivery.flows.updates import update
from delivery.flows.world import World


def receive_delivery(world: World, project: str, host: str, key: str, event: str, body: bytes) -> Delivery:
    """Return the ledger's row: the first one, with its outcome, when the key came before. Raises NotFound.

    `key` is the host's stable id of the event; a repeat changes nothing and is answered like the first.
    """
    world.store.projects.get(project)
    id = f"{project}.{hashlib.sha256(key.encode()).hexdigest()[:16]}"
    fresh = Delivery(id, project, host, key, event, body, world.clock.now())
    try:
        row = world.store.deliveries.add(fresh)
    except Conflict:
        row = world.store.deliveries.get(id)
    world.wake("process_delivery", id)
    return row


def replay_delivery(world: World, id: str) -> Delivery:
    """Have a delivery looked at again, e.g. after its host was away. Raises NotFound.

    What has been acted on is not done twice: a commit is run again by `retry_run`.
    """
    row = update(world.store.deliveries, id, lambda old: replace(old, state=DeliveryState.RECEIVED, outcome="", run=""))
    world.wake("process_delivery", id)
    return row
