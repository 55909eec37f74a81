"""Stage: what all chapters share: the running stack, the doors, the working copy, and how things are told."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from delivery.demo.claims import Ledger
from delivery.demo.console import Teller
from delivery.demo.doors import Doors, Row
from delivery.demo.load import Answer, Load, interleaved
from delivery.demo.workspace import Workspace
from delivery.embedded import Stack

PROJECT = "bookshop"
SERVICES = ("details", "productpage", "ratings", "reviews")
PATH = "/"
APPROVER = "release-owner"


@dataclass
class Stage:
    """`gateway` and `api` are base URLs; `host` is the baseline's host name at the gateway."""

    stack: Stack
    doors: Doors
    workspace: Workspace
    teller: Teller
    ledger: Ledger
    api: str
    gateway: str
    host: str
    state_dir: Path

    def claim(self, text: str, ok: bool, seen: str = "") -> bool:
        """Record and tell one claim."""
        return self.teller.claim(self.ledger, text, ok, seen)

    def load(self, rate: float = 50.0) -> Load:
        """Return users' traffic to the baseline."""
        return Load(self.gateway, self.host, PATH, rate)

    def interleaved(self, hosts: Sequence[str], count: int) -> list[tuple[str, Answer]]:
        """Ask `count` times, hosts in turn."""
        return asyncio.run(interleaved(self.gateway, PATH, hosts, count))

    def stable_version(self, service: str) -> str:
        """Return the version production runs."""
        row = self.doors.environment(PROJECT, "")
        return str(row["workloads"].get(service, "")) if row else ""


def version_at(answer: Answer, service: str) -> tuple[str, str]:
    """Return (color, version) of the hop in the receipt, colour "" for the baseline; ("?", "") when not named."""
    hop = answer.receipt.get(service, "?=").partition(";")[0]
    color, _, version = hop.partition("=")
    return ("" if color == "-" else color), version


def verdict_sentence(rollout: Row) -> str:
    """Return the gate's sentence of a rollout, or its message."""
    verdict = rollout.get("verdict") or {}
    return str(verdict.get("sentence") or rollout.get("message", ""))
