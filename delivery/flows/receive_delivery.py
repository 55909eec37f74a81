"""Receive a delivery: durably into the ledger, at once, and nothing else; the work is `process_delivery`'s."""

from __future__ import annotations

import hashlib

from delivery.deliveries import Delivery
from delivery.errors import Conflict
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
