"""Delivery: one webhook request (or one embedded push) as it was received; the ledger's row. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class DeliveryState(StrEnum):
    """What became of a delivery."""

    RECEIVED = "received"  # durably in the ledger, not looked at yet
    PROCESSED = "processed"  # led to a run, a deletion, or to nothing for the stated reason
    IGNORED = "ignored"  # nothing to do; `outcome` says why


@dataclass(frozen=True)
class Delivery:
    """`key` is the host's stable id of the event: unique per project, it de-duplicates. `body` is raw."""

    id: str
    project: str
    host: str
    key: str
    event: str
    body: bytes
    received_at: float
    state: DeliveryState = DeliveryState.RECEIVED
    outcome: str = ""
    run: str = ""
    row_version: int = 0


@dataclass(frozen=True)
class Push:
    """What a delivery says about one ref. `after` is empty for a deletion, `before` for a new ref."""

    ref: str
    before: str
    after: str
    author: str = ""

    @property
    def branch(self) -> str:
        """The branch name, or "" for a tag."""
        prefix = "refs/heads/"
        return self.ref[len(prefix) :] if self.ref.startswith(prefix) else ""


@dataclass(frozen=True)
class Head:
    """The newest state of a ref that has been acted on; compared with the host's, it shows what no webhook told us."""

    id: str  # "<project>/<ref>"
    project: str
    ref: str
    revision: str
    at: float
    row_version: int = 0
