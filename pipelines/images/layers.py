"""Layers: a tree packed into one compressed tar whose bytes depend on nothing but the tree's content.

Entries in the order of their paths' bytes, owner 0:0, mode 644 or 755, one time for all (1980, as in builds): neither
the clock, the user, nor the order of a directory gets in. Format: OCI image specification, layer.md.
"""

from __future__ import annotations

import gzip
import hashlib
import os
import stat
import tarfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Protocol

from pipelines.errors import Rejected

EPOCH = 315532800  # 1980-01-01; equals builders.tools.SOURCE_DATE
LEVEL = 6  # of gzip: 9 takes three times as long for one percent
_CHUNK = 1024 * 1024


@dataclass(frozen=True)
class PackedLayer:
    """A compressed layer in a file. `diff_id` is the digest of the tar in it."""

    path: Path
    digest: str
    size: int
    diff_id: str


def pack_layer(tree: Path, folder: str, target: Path, going: Callable[[], None] = lambda: None) -> PackedLayer:
    """Write the tree, placed under `folder` (as `app` or `srv/app`), to `target`; `going` is called often, may raise.

    Raises Rejected for names that mean something else in a layer, and for special files.
    """
    with target.open("wb") as file:
        compressed = _Hashed(file)
        with gzip.GzipFile("", "wb", LEVEL, compressed, mtime=0) as inner:
            plain = _Hashed(inner)
            with tarfile.open(mode="w|", fileobj=plain, format=tarfile.PAX_FORMAT) as tar:  # type: ignore[call-overload]
                for name in _ancestors(folder):
                    tar.addfile(_entry(name, tarfile.DIRTYPE, 0o755))
                for relative in _walk(tree, ""):
                    going()
                    _add(tar, tree / relative, f"{folder}/{relative}" if folder else relative)
    return PackedLayer(target, compressed.digest, compressed.size, plain.digest)


class _Sink(Protocol):
    """What bytes are written to."""

    def write(self, data: bytes, /) -> int: ...


class _Hashed:
    """A file that knows the digest and the size of what was written to it."""

    def __init__(self, file: _Sink) -> None:
        self._file = file
        self._hash = hashlib.sha256()
        self.size = 0

    def write(self, data: bytes) -> int:
        self._hash.update(data)
        self.size += len(data)
        return self._file.write(data)

    def flush(self) -> None:
        """For GzipFile; what lies below is flushed when it is closed."""

    @property
    def digest(self) -> str:
        return f"sha256:{self._hash.hexdigest()}"


def _ancestors(folder: str) -> list[str]:
    parts = [part for part in folder.split("/") if part]
    return ["/".join(parts[: depth + 1]) for depth in range(len(parts))]


def _walk(tree: Path, relative: str) -> Iterator[str]:
    """Yield the paths below the tree, each directory before what is in it."""
    with os.scandir(tree / relative) as entries:
        found = sorted(entries, key=lambda entry: os.fsencode(entry.name))
    for entry in found:
        path = f"{relative}/{entry.name}" if relative else entry.name
        if entry.name.startswith(".wh."):
            message = f"{path[:200]} cannot be part of an image: names with .wh. mean deleted files there"
            raise Rejected(message, field="path", value=path[:200], remedy="Rename it")
        yield path
        if entry.is_dir(follow_symlinks=False):
            yield from _walk(tree, path)


def _add(tar: tarfile.TarFile, place: Path, name: str) -> None:
    status = place.lstat()
    if stat.S_ISDIR(status.st_mode):
        tar.addfile(_entry(name, tarfile.DIRTYPE, 0o755))
    elif stat.S_ISLNK(status.st_mode):
        link = _entry(name, tarfile.SYMTYPE, 0o777)
        link.linkname = os.readlink(place)
        tar.addfile(link)
    elif stat.S_ISREG(status.st_mode):
        with place.open("rb") as file:
            entry = _entry(name, tarfile.REGTYPE, 0o755 if status.st_mode & 0o111 else 0o644)
            entry.size = os.fstat(file.fileno()).st_size
            tar.addfile(entry, file)
    else:
        raise Rejected(f"{name[:200]} is no file, folder or link", field="path", value=name[:200], remedy="Remove it")


def _entry(name: str, kind: bytes, mode: int) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(name)
    entry.type, entry.mode, entry.mtime = kind, mode, EPOCH
    return entry


def compress(source: IO[bytes], target: Path) -> PackedLayer:
    """Compress a plain tar as `pack_layer` would; Docker's own archives hold plain ones."""
    with target.open("wb") as file:
        compressed = _Hashed(file)
        plain = hashlib.sha256()
        with gzip.GzipFile("", "wb", LEVEL, compressed, mtime=0) as inner:
            while chunk := source.read(_CHUNK):
                plain.update(chunk)
                inner.write(chunk)
    return PackedLayer(target, compressed.digest, compressed.size, f"sha256:{plain.hexdigest()}")
