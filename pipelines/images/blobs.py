"""Blobs: parts of base images, downloaded once, each under its digest from the moment it is complete and checked."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Iterable
from pathlib import Path

from pipelines.errors import Rejected
from pipelines.images.model import Descriptor


class Blobs:
    """A folder of blobs, shared by any number of processes; whoever cleans it up goes by the time of last use."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def find(self, digest: str) -> Path | None:
        """Return the blob's file, if it is here, and count that as a use."""
        path = self._path(digest)
        try:
            os.utime(path)
        except FileNotFoundError:
            return None
        return path

    def add(self, descriptor: Descriptor, chunks: Iterable[bytes]) -> Path:
        """Keep what `chunks` give and return its file. Raises Rejected when that is not what the descriptor says."""
        self._folder.mkdir(parents=True, exist_ok=True)
        total, size = hashlib.sha256(), 0
        handle, name = tempfile.mkstemp(dir=self._folder, prefix=".draft-")
        draft = Path(name)
        try:
            with os.fdopen(handle, "wb") as file:
                for chunk in chunks:
                    total.update(chunk)
                    size += len(chunk)
                    if size > descriptor.size:
                        break
                    file.write(chunk)
            if size != descriptor.size or f"sha256:{total.hexdigest()}" != descriptor.digest:
                message = f"content does not have its digest {descriptor.digest} or its size of {descriptor.size} bytes"
                remedy = "Something between here and the registry changes it; try again, then ask who runs the registry"
                raise Rejected(message, field="image", value=descriptor.digest, remedy=remedy)
            draft.replace(self._path(descriptor.digest))
        finally:
            draft.unlink(missing_ok=True)
        return self._path(descriptor.digest)

    def _path(self, digest: str) -> Path:
        return self._folder / digest.removeprefix("sha256:")
