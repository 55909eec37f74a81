"""Artifact store: trees and images by digest, and an index from content key to digest. Neighbours: runner, shelf.

Layout under the state directory:

    artifacts/sha256/<hex>/    a tree; complete from the moment it has this name, its files read-only
    artifacts/images/          images: see shelf
    builds/<key>.json          which artifact the content key gave
    builds/<key>.lock          held by the worker that builds this key
    builds/work/<random>/      a job's workspace and its lock; left behind only by a killed worker, then collected

Everything appears by rename, so a half-written artifact is never seen. Directories stay writable, so that a person can
remove the state directory with plain `rm -rf`.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import re
import shutil
import stat
import tempfile
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from pipelines.errors import Rejected
from pipelines.shelf import ImageShelf

MAX_BYTES = 2 * 1024**3  # of one artifact
MAX_ENTRIES = 200_000
_KEY = re.compile(r"[0-9a-f]{64}")
_DIGEST = re.compile(r"sha256:([0-9a-f]{64})")
_COPY = 1024 * 1024
_TRIM = "Delete at the end of the build what only the build needs"
_SETTLED = 60.0  # seconds after which a workspace surely has its lock


@dataclass(frozen=True)
class StagedTree:
    """A copy of a tree that has its digest but not yet its name."""

    path: Path
    digest: str


class ArtifactStore:
    """The artifacts below one state directory; any number of threads and processes may use it at once."""

    def __init__(self, state: Path) -> None:
        self._artifacts = state / "artifacts" / "sha256"
        self.images = ImageShelf(state / "artifacts" / "images")
        self._builds = state / "builds"
        self._work = self._builds / "work"

    def artifact_path(self, digest: str) -> Path:
        """Return the directory of an artifact, there or not. Raises Rejected for what is no digest."""
        match = _DIGEST.fullmatch(digest)
        if match is None:
            raise Rejected(f"not an artifact digest: {digest[:80]!r}", field="artifact", value=digest[:80])
        return self._artifacts / match.group(1)

    def has(self, digest: str) -> bool:
        """Tell whether the artifact's files are here, or, of an image, its record."""
        return self.artifact_path(digest).is_dir() or self.images.get(digest) is not None

    def find_artifact(self, key: str) -> str | None:
        """Return the digest that the content key was built to, when its files are still here."""
        entry = self._entry(key)
        try:
            digest = json.loads(entry.read_text())["artifact"]
            return digest if self.has(digest) else None
        except (OSError, ValueError, KeyError, TypeError, Rejected):
            return None

    def touch(self, digest: str) -> None:
        """Make the artifact count as new for `collect`: somebody is about to use it."""
        with suppress(OSError):
            os.utime(self.artifact_path(digest))
        self.images.touch(digest)

    def remember(self, key: str, digest: str) -> None:
        """Record that the key gives this artifact."""
        entry = self._entry(key)
        entry.parent.mkdir(parents=True, exist_ok=True)
        draft = entry.with_name(f"{key}.{os.getpid()}.tmp")
        draft.write_text(json.dumps({"artifact": digest}))
        draft.replace(entry)

    @contextmanager
    def workspace(self) -> Iterator[Path]:
        """Yield a fresh directory; it is removed at the end, or by `collect` if this process is killed."""
        self._work.mkdir(parents=True, exist_ok=True)
        path = Path(tempfile.mkdtemp(dir=self._work))
        lock = path / ".lock"
        with lock.open("w") as held:
            fcntl.flock(held, fcntl.LOCK_EX)
            try:
                yield path
            finally:
                remove_tree(path)

    def stage(self, tree: Path, workspace: Path) -> StagedTree:
        """Copy `tree` into the workspace, normalised, and compute its digest.

        Raises Rejected for special files, links that lead outside, and for more than MAX_BYTES or MAX_ENTRIES.
        """
        copy = Path(tempfile.mkdtemp(dir=workspace, prefix="staged-"))
        digest = _Packing(tree, copy).run()
        return StagedTree(copy, digest)

    def commit(self, staged: StagedTree) -> str:
        """Give the staged tree its name and return the digest; equal content that is here already stays."""
        place = self.artifact_path(staged.digest)
        place.parent.mkdir(parents=True, exist_ok=True)
        staged.path.chmod(0o755)
        try:
            staged.path.rename(place)
        except OSError:
            if not place.is_dir():
                raise
            self.touch(staged.digest)
        return staged.digest

    @contextmanager
    def building(self, key: str) -> Iterator[bool]:
        """Yield True when this caller holds the key's lock, False when another builds it now. Never waits."""
        self._builds.mkdir(parents=True, exist_ok=True)
        path = self._entry(key).with_suffix(".lock")
        with path.open("a") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                held = _same_file(file.fileno(), path)  # `collect` may have removed it in between
            except BlockingIOError:
                held = False
            yield held

    def collect(self, keep: Collection[str], *, now: float, min_age: float = 600.0) -> int:
        """Delete artifacts not in `keep` that are older than `min_age` seconds; return how many.

        Of images in a registry only the record goes. The age protects what a job has just built and nobody refers to
        yet. Workspaces of killed workers go too.
        """
        for path in _children(self._work):
            if _age(path, now) > _SETTLED:
                _remove_unlocked(path / ".lock", path)
        names = {self.artifact_path(digest).name for digest in keep}
        doomed = [path for path in _children(self._artifacts) if path.name not in names and _age(path, now) > min_age]
        gone = {f"sha256:{path.name}" for path in doomed} | self.images.collect(keep, now=now, min_age=min_age)
        for entry in _children(self._builds, "*.json"):
            with suppress(OSError, ValueError, KeyError, TypeError):
                if json.loads(entry.read_text())["artifact"] in gone:
                    entry.unlink()
        for path in doomed:
            remove_tree(path)
        for lock in _children(self._builds, "*.lock"):
            if not lock.with_suffix(".json").exists():
                _remove_unlocked(lock, lock)
        return len(gone)

    def _entry(self, key: str) -> Path:
        if not _KEY.fullmatch(key):
            raise Rejected(f"not a content key: {key[:80]!r}", field="key", value=key[:80])
        return self._builds / f"{key}.json"


def remove_tree(path: Path) -> None:
    """Remove a directory whatever the modes inside; following no links, complaining about nothing."""
    for folder, _, _ in os.walk(path):
        with suppress(OSError):
            os.chmod(folder, 0o700)
    shutil.rmtree(path, ignore_errors=True)


class _Packing:
    """Copies one tree and hashes it on the way.

    Digest: sha256 over the entries sorted by path bytes, each as `kind length(path) path sha256(content or target)`.
    Kinds are dir, link, and for files their mode, 755 or 644; owners, times and other bits are no content.
    """

    def __init__(self, source: Path, target: Path) -> None:
        self._source = os.fsencode(source)
        self._target = os.fsencode(target)
        self._bytes = 0
        self._records: list[tuple[bytes, bytes]] = []
        self._links: list[bytes] = []

    def run(self) -> str:
        self._folder(b"")
        for link in self._links:
            self._refuse_escape(link)
        total = hashlib.sha256(b"colorlane artifact v1\n")
        for _, record in sorted(self._records):
            total.update(record)
        return f"sha256:{total.hexdigest()}"

    def _folder(self, relative: bytes) -> None:
        with os.scandir(os.path.join(self._source, relative)) as entries:
            for entry in entries:
                path = os.path.join(relative, entry.name)
                mode = entry.stat(follow_symlinks=False).st_mode
                if stat.S_ISLNK(mode):
                    self._link(path)
                elif stat.S_ISDIR(mode):
                    os.mkdir(os.path.join(self._target, path), 0o755)
                    self._record(b"dir", path, b"")
                    self._folder(path)
                elif stat.S_ISREG(mode):
                    self._file(path, executable=bool(mode & 0o111))
                else:
                    raise _unfit(path, "is a socket, pipe or device", "Remove it at the end of the build")

    def _file(self, path: bytes, *, executable: bool) -> None:
        content = hashlib.sha256()
        target = os.path.join(self._target, path)
        with open(os.path.join(self._source, path), "rb") as source, open(target, "xb") as copy:
            while chunk := source.read(_COPY):
                self._bytes += len(chunk)
                if self._bytes > MAX_BYTES:
                    raise _unfit(path, f"brings the artifact over {MAX_BYTES} bytes", _TRIM)
                content.update(chunk)
                copy.write(chunk)
        os.chmod(target, 0o555 if executable else 0o444)
        self._record(b"755" if executable else b"644", path, content.digest())

    def _link(self, path: bytes) -> None:
        target = os.readlink(os.path.join(self._source, path))
        os.symlink(target, os.path.join(self._target, path))
        self._links.append(path)
        self._record(b"link", path, hashlib.sha256(target).digest())

    def _refuse_escape(self, path: bytes) -> None:
        place = os.path.join(self._target, path)
        root = os.path.realpath(self._target)
        reached = os.path.realpath(place)
        if os.path.isabs(os.readlink(place)) or not (reached == root or reached.startswith(root + b"/")):
            shown = os.readlink(place).decode("utf-8", "replace")[:200]
            remedy = "Copy what it leads to (for Python: pip install --target instead of a virtual environment)"
            raise _unfit(path, f"is a link that leads outside, to {shown}", remedy)

    def _record(self, kind: bytes, path: bytes, digest: bytes) -> None:
        self._records.append((path, b"%s %d %s %s\n" % (kind, len(path), path, digest.hex().encode())))
        if len(self._records) > MAX_ENTRIES:
            raise _unfit(path, f"is one file more than {MAX_ENTRIES}", _TRIM)


def _unfit(path: bytes, why: str, remedy: str) -> Rejected:
    shown = path.decode("utf-8", "replace")[:200]
    return Rejected(f"{shown} cannot be part of the artifact: it {why}", field="path", value=shown, remedy=remedy)


def _children(folder: Path, pattern: str = "*") -> list[Path]:
    return sorted(folder.glob(pattern)) if folder.is_dir() else []


def _age(path: Path, now: float) -> float:
    try:
        return now - path.stat().st_mtime
    except OSError:
        return 0.0


def _same_file(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False


def _remove_unlocked(lock: Path, path: Path) -> None:
    """Remove `path` if nobody holds `lock`."""
    try:
        with lock.open("a") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            remove_tree(path) if path.is_dir() else path.unlink(missing_ok=True)
    except BlockingIOError:
        return
    except FileNotFoundError:
        return
