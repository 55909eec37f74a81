"""The Git adapter against real repositories, bare ones, and trees nobody would commit by accident."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from pipelines.errors import NotFound, Rejected, Transient
from pipelines.git import Git

pytestmark = pytest.mark.integration

IDENTITY = {
    "GIT_AUTHOR_NAME": "Test",
    "GIT_AUTHOR_EMAIL": "test@example.org",
    "GIT_COMMITTER_NAME": "Test",
    "GIT_COMMITTER_EMAIL": "test@example.org",
    "GIT_CONFIG_GLOBAL": os.devnull,
    "PATH": os.environ["PATH"],
}


def git(place: Path, *arguments: str, stdin: bytes | None = None) -> str:
    done = subprocess.run(
        ["git", "-C", str(place), *arguments], env=IDENTITY, input=stdin, capture_output=True, check=True
    )
    return done.stdout.decode().strip()


def commit(place: Path, message: str, **files: str) -> str:
    for name, content in files.items():
        file = place / name.replace("__", "/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content)
    git(place, "add", "-A")
    git(place, "commit", "-q", "-m", message)
    return git(place, "rev-parse", "HEAD")


@pytest.fixture
def work(tmp_path: Path) -> Path:
    place = tmp_path / "work"
    place.mkdir()
    git(place, "init", "-q", "-b", "main")
    return place


def bare(work: Path) -> Git:
    target = work.parent / "bare.git"
    git(work.parent, "clone", "-q", "--bare", str(work), str(target))
    return Git(target)


def test_tree_file_and_export_of_a_bare_repository(work: Path, tmp_path: Path) -> None:
    (work / "run.sh").write_text("#!/bin/sh\n")
    (work / "run.sh").chmod(0o755)
    os.symlink("run.sh", work / "link")
    revision = commit(
        work, "one", **{"a ä\tb": "text", "dir__deep__x.txt": "$Format:%H$", ".gitattributes": "* export-subst\n"}
    )
    repository = bare(work)
    tree = repository.tree("main")
    assert set(tree) == {"run.sh", "link", "a ä\tb", "dir/deep/x.txt", ".gitattributes"}
    assert repository.file(revision, "dir/deep/x.txt") == b"$Format:%H$"
    assert repository.file(revision, "nothing") is None
    assert repository.file(revision, "link") is None
    assert repository.file(revision, "dir") is None
    repository.export(tree.values(), tmp_path / "out")
    assert (tmp_path / "out/dir/deep/x.txt").read_text() == "$Format:%H$"
    assert os.access(tmp_path / "out/run.sh", os.X_OK)
    assert not os.access(tmp_path / "out/a ä\tb", os.X_OK)
    assert os.readlink(tmp_path / "out/link") == "run.sh"


def test_merge_base_and_changed_paths(work: Path) -> None:
    base = commit(work, "base", a="1", b="1")
    git(work, "checkout", "-q", "-b", "feature/ÄÖ_x")
    commit(work, "branch", a="2", dir__c="1")
    git(work, "checkout", "-q", "main")
    commit(work, "main moves", b="2")
    git(work, "checkout", "-q", "--orphan", "island")
    commit(work, "alone", z="1")
    repository = bare(work)
    assert repository.merge_base("main", "feature/ÄÖ_x") == base
    assert repository.merge_base("main", "island") is None
    assert repository.changed_paths(base, "feature/ÄÖ_x") == ("a", "dir/c")


@pytest.mark.parametrize("revision", ["--all", "-x", "", "a..b", "HEAD~1", "main:a", "a b", "x@{1}", "\0", "a" * 300])
def test_arguments_that_are_no_plain_revision_are_refused(work: Path, revision: str) -> None:
    commit(work, "one", a="1")
    with pytest.raises(Rejected):
        Git(work).tree(revision)


def test_unknown_commits_are_not_found(work: Path) -> None:
    commit(work, "one", a="1")
    with pytest.raises(NotFound):
        Git(work).tree("0" * 40)
    with pytest.raises(NotFound):
        Git(work).commit("nothing")


@pytest.mark.parametrize("path", ["../x", "/etc/passwd", "a/../../x", ".git/config", ""])
def test_unsafe_paths_are_refused(work: Path, path: str) -> None:
    revision = commit(work, "one", a="1")
    with pytest.raises(Rejected):
        Git(work).file(revision, path)


def raw_tree(work: Path, *entries: tuple[str, str, str]) -> str:
    """Write a tree object that `git mktree` would refuse."""
    body = b"".join(f"{mode} {name}".encode() + b"\0" + bytes.fromhex(blob) for mode, name, blob in entries)
    return git(work, "hash-object", "-t", "tree", "-w", "--literally", "--stdin", stdin=body)


def test_a_hostile_tree_cannot_write_outside(work: Path, tmp_path: Path) -> None:
    commit(work, "one", a="1")
    blob = git(work, "hash-object", "-w", "--stdin", stdin=b"evil")
    above = raw_tree(work, ("100644", "evil.txt", blob))
    revision = git(work, "commit-tree", "-m", "x", raw_tree(work, ("40000", "..", above)))
    repository = Git(work)
    with pytest.raises(Rejected):
        repository.export(repository.tree(revision).values(), tmp_path / "out")
    assert not (tmp_path / "evil.txt").exists()


def test_a_link_and_a_directory_of_one_name_do_not_lead_outside(work: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    commit(work, "one", a="1")
    link = git(work, "hash-object", "-w", "--stdin", stdin=str(outside).encode())
    blob = git(work, "hash-object", "-w", "--stdin", stdin=b"evil")
    inner = raw_tree(work, ("100644", "evil.txt", blob))
    revision = git(work, "commit-tree", "-m", "x", raw_tree(work, ("120000", "x", link), ("40000", "x", inner)))
    repository = Git(work)
    with pytest.raises(Rejected):
        repository.export(repository.tree(revision).values(), tmp_path / "out")
    assert not list(outside.iterdir())


def test_large_files_are_not_read_whole(work: Path) -> None:
    revision = commit(work, "one", a="x" * 2000)
    with pytest.raises(Rejected, match="2000 bytes"):
        Git(work).file(revision, "a", limit=1000)


def test_time_limits_are_transient(work: Path) -> None:
    commit(work, "one", a="1")
    with pytest.raises(Transient):
        Git(work, timeout=0.0001).tree("main")
