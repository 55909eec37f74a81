"""Capture on this machine: connections of applications are led to their sidecars by rules, for those without a proxy.

Each application runs in a group of its own, by which the kernel knows its packets (decision 0063). All rules of one
state directory stand in one table that is replaced whole: at the agent's start what a killed one left is gone.
Needs root on Linux with nftables. Neighbours: mesh.capture (the rules), replica (admits and dismisses), agent.
"""

from __future__ import annotations

import hashlib
import shutil
import socket
import sys
from collections.abc import Iterable
from pathlib import Path

import structlog

from delivery.adapters.mesh_errors import ours
from delivery.adapters.platform_local.plan import ReplicaPorts
from delivery.adapters.platform_local.records import ReplicaRecord
from delivery.errors import ColorlaneError, Rejected
from mesh.capture import kernel
from mesh.capture.groups import Member, table_ruleset

FIRST_GROUP = 1_810_000_000  # far from what people and systemd use; the sidecar's port is added, which nobody shares

log = structlog.get_logger(__name__)


class NotCaptured(OSError):
    """The rules of an application could not be loaded; it must not start without them."""


class Capturing:
    """The rules of one state directory. `enabled` False: no application gets a group, and nft is not asked.

    `marker` is a file that is there while rules may be: it outlives a killed agent.
    """

    def __init__(self, state_dir: Path, marker: Path, *, enabled: bool) -> None:
        self.enabled = enabled
        self._marker = marker
        self._table = f"colorlane_{hashlib.sha256(str(state_dir).encode()).hexdigest()[:12]}"
        self._members: dict[str, Member] = {}

    def begin(self, adopted: Iterable[ReplicaRecord]) -> None:
        """Replace what an earlier agent left by the rules of its replicas that are taken over, at once.

        Raises Rejected where capture is asked for and cannot be.
        """
        if self.enabled:
            require()
            self._members = {record.endpoint: _member(record) for record in adopted if record.ports.captured}
            self._load()
        elif self._marker.exists():
            self._try_to_load("agent")

    def admit(self, record: ReplicaRecord) -> None:
        """Capture a replica's application, which must be started as `group(record.ports)`. Raises NotCaptured."""
        if self.enabled and record.ports.captured and record.endpoint not in self._members:
            self._members[record.endpoint] = _member(record)
            try:
                self._load()
            except ColorlaneError as error:
                del self._members[record.endpoint]
                raise NotCaptured(f"its connections cannot be captured: {error}") from error

    def dismiss(self, record: ReplicaRecord) -> None:
        """Let go of a replica whose processes have ended. Rules that stay match nobody: a failure is only told."""
        if self._members.pop(record.endpoint, None) is not None:
            self._try_to_load(record.endpoint)

    def _try_to_load(self, what: str) -> None:
        try:
            self._load()
        except ColorlaneError as error:
            log.warning("capture.rules_left", what=what, problem=str(error))

    def _load(self) -> None:
        if self._members:
            self._marker.touch()
        with ours():
            kernel.load(table_ruleset(self._table, self._members.values(), ipv6=has_ipv6()))
        if not self._members:
            self._marker.unlink(missing_ok=True)


def _member(record: ReplicaRecord) -> Member:
    return Member(group(record.ports), record.ports.captured, record.ports.dns)


def group(ports: ReplicaPorts) -> int:
    """Return the group that a captured application runs as."""
    return FIRST_GROUP + ports.captured


def has_ipv6() -> bool:
    """Whether sidecars can listen on ::1 here."""
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True


def require() -> None:
    """Raise Rejected, with what to do, where this process may not or cannot capture."""
    if sys.platform != "linux" or not kernel.is_permitted():
        raise _impossible("capture changes rules of the kernel: root on Linux only", "run it as root")
    if not shutil.which("nft"):
        raise _impossible("capture needs nft, which is not installed", "install the package nftables")


def _impossible(problem: str, remedy: str) -> Rejected:
    instead = "leave --capture (COLORLANE_CAPTURE) away: applications then reach others by HTTP_PROXY"
    return Rejected(problem, field="--capture", remedy=f"{remedy}, or {instead}")
