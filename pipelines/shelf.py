"""Shelf: which images exist, as a record each, with the image's file where no registry has it. Neighbour: artifacts.

    artifacts/images/<hex>.json     the record of an image, by its manifest's digest; complete when it has this name
    artifacts/images/<hex>.tar      the image itself, where it is kept here
    artifacts/images/blobs/<hex>    downloaded parts of base images; a cache

Files come before the record that names them, and go after it. A registry's own content is never deleted from here.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Collection
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

BLOB_AGE = 7 * 86400.0  # seconds since its last use that a cached blob is kept


@dataclass(frozen=True)
class ImageRecord:
    """`name` is what pulls it, without the digest; `size` in bytes as transferred; `archive`: it is kept as a file."""

    digest: str
    name: str
    size: int = 0
    archive: bool = False
    base: str = ""
    revision: str = ""  # the first that gave it; others may share it


class ImageShelf:
    """The images below one state directory; any number of threads and processes may use it at once."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @property
    def blobs(self) -> Path:
        """Return the folder of cached blobs."""
        return self._folder / "blobs"

    def archive(self, digest: str) -> Path:
        """Return where the image's file is kept, there or not."""
        return self._folder / f"{_hex(digest)}.tar"

    def get(self, digest: str) -> ImageRecord | None:
        """Return the record; None when there is none, or its file is gone."""
        try:
            record = ImageRecord(**json.loads(self._record(digest).read_bytes()))
        except (OSError, ValueError, TypeError):
            return None
        return None if record.archive and not self.archive(digest).is_file() else record

    def put(self, record: ImageRecord, archive: Path | None = None) -> None:
        """Keep the image; `archive`, a file on the same disk, is moved here."""
        self._folder.mkdir(parents=True, exist_ok=True)
        if archive is not None:
            archive.chmod(0o644)
            archive.replace(self.archive(record.digest))
        with tempfile.NamedTemporaryFile("w", dir=self._folder, prefix=".draft-", delete=False) as draft:
            json.dump(asdict(record), draft)
        os.chmod(draft.name, 0o644)
        os.replace(draft.name, self._record(record.digest))

    def touch(self, digest: str) -> None:
        """Make the image count as new for `collect`."""
        with suppress(OSError):
            os.utime(self._record(digest))

    def collect(self, keep: Collection[str], *, now: float, min_age: float) -> set[str]:
        """Forget images not in `keep` that are older than `min_age` seconds, with their files; return their digests."""
        kept, gone = {_hex(digest) for digest in keep}, set[str]()
        for record in self._folder.glob("*.json"):
            if record.stem not in kept and _age(record, now) > min_age:
                record.unlink(missing_ok=True)
                (self._folder / f"{record.stem}.tar").unlink(missing_ok=True)
                gone.add(f"sha256:{record.stem}")
        for stray in (*self._folder.glob("*.tar"), *self._folder.glob(".draft-*")):
            if not stray.with_suffix(".json").exists() and _age(stray, now) > max(min_age, 3600.0):
                stray.unlink(missing_ok=True)
        for blob in self.blobs.glob("*"):
            if _age(blob, now) > BLOB_AGE:
                blob.unlink(missing_ok=True)
        return gone

    def _record(self, digest: str) -> Path:
        return self._folder / f"{_hex(digest)}.json"


def _hex(digest: str) -> str:
    return digest.removeprefix("sha256:")


def _age(path: Path, now: float) -> float:
    try:
        return now - path.stat().st_mtime
    except OSError:
        return 0.0
