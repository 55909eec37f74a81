"""A vault in a file of the mesh's user, for use outside of clusters. Several processes of one machine may share it."""

from __future__ import annotations

import asyncio
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mesh.errors import Rejected
from mesh.identity.authority import Stored
from mesh.identity.keyring import Keyring


class FileVault:
    """`path` holds certificates and keys as PEM (mode 0600, written whole); beside it lies a lock."""

    def __init__(self, path: Path) -> None:
        self._path = path

    async def read(self) -> Stored | None:
        """See `Vault`."""
        return await asyncio.to_thread(self._read)

    async def write(self, keyring: Keyring, over: Stored | None) -> bool:
        """See `Vault`."""
        return await asyncio.to_thread(self._write, keyring, over)

    def _read(self) -> Stored | None:
        try:
            return Stored(Keyring.from_pem(self._path.read_bytes()))
        except FileNotFoundError:
            return None
        except OSError as error:
            raise self._refused(error) from error

    def _write(self, keyring: Keyring, over: Stored | None) -> bool:
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            with self._locked():
                if self._read() != over:
                    return False
                self._replace(keyring.to_pem())
                return True
        except OSError as error:
            raise self._refused(error) from error

    def _replace(self, text: bytes) -> None:
        draft = self._path.with_suffix(".new")
        draft.unlink(missing_ok=True)
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(self._path)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        with os.fdopen(os.open(self._path.with_suffix(".lock"), os.O_RDWR | os.O_CREAT, 0o600)) as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)  # closing lets go of it
            yield

    def _refused(self, error: OSError) -> Rejected:
        return Rejected(
            f"cannot keep the mesh's roots in {self._path}: {error.strerror}",
            field="path",
            value=str(self._path),
            remedy="let the mesh's user read and write its directory",
        )
