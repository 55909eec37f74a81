"""Authority: holds the keyring that all replicas of the mesh share, and keeps it young.

Whichever replica is first makes the first root; the others lose that race and read what it made. The store is asked
again every few minutes, so that a root made by one replica is in the bundle of all. A store that does not answer later
on changes nothing: what is known is used. Neighbours: keyring (the rules), vault_file, vault_secret (stores).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol

import structlog

from mesh.errors import MeshError, Transient
from mesh.identity.keyring import Keyring

FOLLOW_SECONDS = 300.0
TRIES = 10

log = structlog.get_logger("mesh.identity")


@dataclass(frozen=True)
class Stored:
    """A keyring as the vault has it; `mark` is the vault's own, to notice that someone else wrote in between."""

    keyring: Keyring
    mark: str = ""


class Vault(Protocol):
    """Where the keyring lies. All methods raise Transient when the vault is away and Rejected when it refuses."""

    async def read(self) -> Stored | None:
        """Return what is there; None where there is no keyring yet."""
        ...

    async def write(self, keyring: Keyring, over: Stored | None) -> bool:
        """Store the keyring in place of `over` (None: of nothing); False if the vault holds something else by now."""
        ...


class Authority:
    """The keyring now. Made by `open`."""

    def __init__(self, vault: Vault, stored: Keyring, clock: Callable[[], datetime]) -> None:
        self._vault = vault
        self._ring = stored
        self._clock = clock

    @classmethod
    async def open(cls, vault: Vault, *, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> Authority:
        """Read the keyring, or make the first one. Raises Transient while the vault is away."""
        return cls(vault, await settle(vault, clock()), clock)

    def keyring(self) -> Keyring:
        """Return the roots as last seen."""
        return self._ring

    def bundle(self) -> bytes:
        """Return what clients of the mesh trust: PEM of all roots."""
        return self._ring.bundle()

    async def refresh(self) -> None:
        """Read the vault once, and renew the roots if it is time. Raises as `Vault` does."""
        before, self._ring = self._ring, await settle(self._vault, self._clock())
        if before != self._ring:
            log.info("roots changed", roots=len(self._ring.roots), before=len(before.roots))

    async def keep(self, *, every: float = FOLLOW_SECONDS) -> None:
        """Run for ever: follow the vault each `every` seconds. One that is away is said and asked again."""
        while True:
            await asyncio.sleep(every)
            try:
                await self.refresh()
            except MeshError as error:
                log.warning("roots not refreshed; the known ones are used", reason=str(error))


async def settle(vault: Vault, now: datetime) -> Keyring:
    """Return the keyring that the vault holds once it is as it should be now."""
    for _ in range(TRIES):
        stored = await vault.read()
        known = stored.keyring if stored else Keyring()
        wanted = known.renewed(now)
        if wanted == known:
            return known
        if await vault.write(wanted, stored):
            log.info(
                "root made", roots=len(wanted.roots), subject=wanted.roots[-1].certificate.subject.rfc4514_string()
            )
            return wanted
    raise Transient(f"the authority's store changed {TRIES} times while a root was being made")
