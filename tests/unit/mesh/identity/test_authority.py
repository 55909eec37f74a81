"""Several replicas, one keyring: races, a vault that is away, a root made by another replica."""

from __future__ import annotations

import asyncio
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from mesh.errors import Transient
from mesh.identity import Authority, FileVault, Keyring
from mesh.identity.authority import Stored

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)


class MemoryVault:
    def __init__(self) -> None:
        self.stored: Stored | None = None
        self.writes = 0
        self.away = False

    async def read(self) -> Stored | None:
        if self.away:
            raise Transient("away")
        await asyncio.sleep(0)
        return self.stored

    async def write(self, keyring: Keyring, over: Stored | None) -> bool:
        if self.stored != over:
            return False
        self.writes += 1
        self.stored = Stored(keyring, str(self.writes))
        return True


class Clock:
    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now


async def test_five_replicas_at_once_agree_on_one_root() -> None:
    vault = MemoryVault()
    authorities = await asyncio.gather(*(Authority.open(vault, clock=Clock()) for _ in range(5)))
    assert vault.writes == 1
    assert len({authority.bundle() for authority in authorities}) == 1


async def test_a_root_made_by_one_replica_reaches_the_others() -> None:
    vault, clock = MemoryVault(), Clock()
    one, other = [await Authority.open(vault, clock=clock) for _ in range(2)]
    clock.now = NOW + timedelta(days=2600)
    await one.refresh()
    await other.refresh()
    assert vault.writes == 2
    assert other.bundle() == one.bundle()
    assert other.bundle().count(b"BEGIN CERTIFICATE") == 2


async def test_a_vault_that_is_away_leaves_what_is_known() -> None:
    vault = MemoryVault()
    authority = await Authority.open(vault, clock=Clock())
    bundle, vault.away = authority.bundle(), True
    keeping = asyncio.create_task(authority.keep(every=0))
    for _ in range(5):
        await asyncio.sleep(0)
    assert not keeping.done()
    keeping.cancel()
    assert authority.bundle() == bundle
    with pytest.raises(Transient):
        await Authority.open(vault, clock=Clock())


async def test_files_are_private_and_shared_by_processes(tmp_path: Path) -> None:
    path = tmp_path / "identity" / "roots.pem"
    one, other = await asyncio.gather(Authority.open(FileVault(path)), Authority.open(FileVault(path)))
    assert one.bundle() == other.bundle()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert (await Authority.open(FileVault(path))).bundle() == one.bundle()
