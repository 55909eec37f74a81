"""Git: reads commits of a local repository (bare or not) through the plain `git` program. Neighbours: plans, runner.

No shell, no user or system configuration, a time limit on each call, and no argument that could be read as an option.
Files are exported blob by blob (`cat-file --batch`), not by `git archive`: that one would obey the pushed
`.gitattributes` (export-ignore, export-subst), so that equal trees could give unequal files.
"""

from __future__ import annotations

import os
import re
import stat
import subprocess
import tempfile
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from pipelines.errors import NotFound, Rejected, Transient
from pipelines.plans import TreeEntry

MAX_FILES = 200_000  # of one tree
MAX_EXPORT_BYTES = 2 * 1024**3
_OBJECT = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")
_REVISION = re.compile(r"(?!-)[^\x00-\x20\x7f~^:?*\[\\]{1,255}")
_ENVIRONMENT = {
    "PATH": os.environ.get("PATH", os.defpath),
    "LC_ALL": "C",
    "HOME": "/nonexistent",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_NO_REPLACE_OBJECTS": "1",
    "GIT_LITERAL_PATHSPECS": "1",
}


class Git:
    """One repository. Raises NotFound for unknown commits, Rejected for bad arguments, Transient on time-out."""

    def __init__(self, repository: Path, *, timeout: float = 60.0) -> None:
        self._repository = repository
        self._timeout = timeout

    def commit(self, revision: str) -> str:
        """Return the commit id a revision (id, branch, tag) names."""
        _refuse_options(revision)
        answer = self._run(
            "rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}", ok=(0, 1, 128)
        )
        commit = answer.stdout.decode("ascii", "replace").strip()
        if answer.returncode != 0 or not _OBJECT.fullmatch(commit):
            message = f"no commit {revision!r} in {self._repository.name}"
            raise NotFound(message, field="revision", value=revision, remedy="Push it first, or check the name")
        return commit

    def tree(self, revision: str) -> dict[str, TreeEntry]:
        """Return path -> entry of every file at the revision. Raises Rejected for more than MAX_FILES files."""
        listing = self._run("ls-tree", "-r", "-z", "--full-tree", self.commit(revision)).stdout
        if listing.count(b"\0") > MAX_FILES:
            raise Rejected(f"the commit has more than {MAX_FILES} files", field="revision", value=revision)
        return {entry.path: entry for entry in _entries(listing)}

    def merge_base(self, one: str, other: str) -> str | None:
        """Return the best common ancestor, None when the histories share nothing."""
        answer = self._run("merge-base", self.commit(one), self.commit(other), ok=(0, 1))
        return answer.stdout.decode("ascii").strip() or None

    def file(self, revision: str, path: str, *, limit: int = 1024 * 1024) -> bytes | None:
        """Return a file's content, None when there is no such file. Raises Rejected when larger than `limit` bytes."""
        _safe_parts(path)
        listing = self._run("ls-tree", "-z", "--full-tree", self.commit(revision), "--", path).stdout
        entry = next((entry for entry in _entries(listing) if entry.path == path), None)
        if entry is None or entry.mode not in {"100644", "100755"}:
            return None
        size = int(self._run("cat-file", "-s", entry.blob).stdout)
        if size > limit:
            raise Rejected(f"{path} is {size} bytes long, the limit is {limit}", field=path, value=size)
        return self._run("cat-file", "blob", entry.blob).stdout

    def changed_paths(self, old: str, new: str) -> tuple[str, ...]:
        """Return the paths that differ between two commits (a rename counts as both), sorted."""
        arguments = ("--no-renames", "--name-only", "-r", "-z", self.commit(old), self.commit(new))
        listing = self._run("diff-tree", *arguments).stdout
        return tuple(sorted(os.fsdecode(path) for path in listing.split(b"\0") if path))

    def export(self, entries: Iterable[TreeEntry], destination: Path) -> None:
        """Write the entries below `destination`, which must be empty or absent.

        Symbolic links are made last, so that nothing is written through one. Submodules are left out.
        Raises Rejected for paths that leave the destination, and for more than MAX_EXPORT_BYTES.
        """
        destination.mkdir(parents=True, exist_ok=True)
        files = [entry for entry in entries if entry.mode != "160000"]
        _refuse_hostile(files)
        links: list[tuple[str, bytes]] = []
        with self._blobs(files) as read:
            left = MAX_EXPORT_BYTES
            for entry in files:
                content = read(entry.blob, left)
                left -= len(content)
                if entry.mode == "120000":
                    links.append((entry.path, content))
                else:
                    _write(destination / entry.path, content, executable=entry.mode == "100755")
        for path, target in links:
            place = destination / path
            place.parent.mkdir(parents=True, exist_ok=True)
            os.symlink(target, os.fsencode(place))

    def _run(self, *arguments: str, ok: tuple[int, ...] = (0,)) -> subprocess.CompletedProcess[bytes]:
        try:
            answer = subprocess.run(
                self._argv(*arguments),
                env=_ENVIRONMENT,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=self._timeout,
            )
        except subprocess.TimeoutExpired:
            raise Transient(f"git {arguments[0]} took longer than {self._timeout:g} s", retry_after=5) from None
        if answer.returncode not in ok:
            text = answer.stderr.decode("utf-8", "replace").strip()[:500]
            raise Rejected(f"git {arguments[0]} failed: {text}", field="repository", value=self._repository.name)
        return answer

    def _argv(self, *arguments: str) -> list[str]:
        # The repository is ours even where a volume or a container gives its files another owner.
        return ["git", "-C", str(self._repository), "-c", "safe.directory=*", *arguments]

    @contextmanager
    def _blobs(self, entries: Iterable[TreeEntry]) -> Iterator[_BlobReader]:
        """Yield a reader of the entries' blobs, in order; its Git is killed when it takes longer than the limit."""
        with tempfile.TemporaryFile() as wanted:  # a file, not a pipe: neither side can wait for the other
            wanted.writelines(f"{entry.blob}\n".encode() for entry in entries)
            wanted.seek(0)
            process = subprocess.Popen(
                self._argv("cat-file", "--batch", "--buffer"), env=_ENVIRONMENT, stdin=wanted, stdout=subprocess.PIPE
            )
        watchdog = threading.Timer(self._timeout, process.kill)
        watchdog.daemon = True
        watchdog.start()
        assert process.stdout is not None  # noqa: S101 - it was asked for
        try:
            yield _BlobReader(process.stdout)
        finally:
            watchdog.cancel()
            process.kill()
            process.wait()
            process.stdout.close()


class _BlobReader:
    """Reads the answers of `git cat-file --batch` in the order of the questions."""

    def __init__(self, answers: IO[bytes]) -> None:
        self._answers = answers

    def __call__(self, blob: str, limit: int) -> bytes:
        """Return the next blob, which is `blob`. Raises Rejected when it is longer than `limit` or not there."""
        head = self._answers.readline().split()
        if not head:
            raise Transient("git cat-file ended early or took too long", retry_after=5)
        if len(head) != 3 or head[1] != b"blob" or head[0] != blob.encode():
            raise Rejected(f"object {blob} is missing from the repository", field="revision", value=blob)
        size = int(head[2])
        if size > limit:
            raise Rejected(f"the exported files exceed {MAX_EXPORT_BYTES} bytes", field="revision", value=blob)
        content = self._answers.read(size + 1)[:size]
        if len(content) != size:
            raise Transient("git cat-file ended early or took too long", retry_after=5)
        return content


def _entries(listing: bytes) -> Iterator[TreeEntry]:
    for record in listing.split(b"\0"):
        if record:
            head, path = record.split(b"\t", 1)
            mode, _kind, blob = head.decode("ascii").split()
            yield TreeEntry(os.fsdecode(path), mode, blob)


def _refuse_options(revision: str) -> None:
    if not _REVISION.fullmatch(revision) or ".." in revision or "@{" in revision:
        remedy = "Give a commit id, a branch or a tag"
        raise Rejected(f"not a revision: {revision[:80]!r}", field="revision", value=revision[:80], remedy=remedy)


def _safe_parts(path: str) -> list[str]:
    """A pushed tree may hold any names: refuse those that would leave the directory or reach into `.git`."""
    parts = path.split("/")
    if any(part in {"", ".", ".."} or part.lower() == ".git" for part in parts) or "\0" in path:
        raise Rejected(f"unsafe path: {path[:200]!r}", field="path", value=path[:200], remedy="Rename it")
    return parts


def _refuse_hostile(entries: list[TreeEntry]) -> None:
    """Refuse unsafe paths, and paths below another entry: a link `x` beside a file `x/y` would lead outside."""
    paths = {entry.path for entry in entries}
    for path in paths:
        parts = _safe_parts(path)
        if any("/".join(parts[:depth]) in paths for depth in range(1, len(parts))):
            raise Rejected(f"two entries of the tree collide: {path[:200]!r}", field="path", value=path[:200])


def _write(place: Path, content: bytes, *, executable: bool) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o644)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
    if executable:
        place.chmod(stat.S_IRWXU | 0o055)
