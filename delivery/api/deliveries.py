"""Deliveries: the ledger of what Git hosts sent; any of it can be replayed.

Neighbours: webhooks, flows.receive_delivery.
"""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query

from delivery.api.context import Here
from delivery.api.paging import Page, Wanted, page_of
from delivery.api.shapes import DeliveryShape, show_delivery
from delivery.deliveries import DeliveryState
from delivery.flows.receive_delivery import replay_delivery

router = APIRouter(prefix="/deliveries", tags=["deliveries"])

Id = Annotated[str, Path(max_length=200)]


@router.get("")
def list_deliveries(
    world: Here, wanted: Wanted, project: Annotated[str, Query(max_length=63)] = "", state: DeliveryState | None = None
) -> Page[DeliveryShape]:
    """List deliveries, newest first."""
    return page_of(world.store.deliveries, wanted, show_delivery, project=project, state=state)


@router.get("/{id}")
def show(id: Id, world: Here) -> DeliveryShape:
    """Show one delivery: what came, and what became of it."""
    return show_delivery(world.store.deliveries.get(id))


@router.post("/{id}/replay", status_code=202)
def replay(id: Id, world: Here) -> DeliveryShape:
    """Process a delivery again, as if it had just come. What is already so stays so."""
    return show_delivery(replay_delivery(world, id))
