"""The artifact store: digests of content only, atomic names, safe links, locks and collection."""

from __future__ import annotations

import os
import stat
import time
from pathlib import Path

import pytest

from pipelines import artifacts
from pipelines.artifacts import ArtifactStore
from pipelines.errors import Rejected

KEY, OTHER = "a" * 64, "b" * 64


@pytest.fixture
def store(tmp_path: Path) -> ArtifactStore:
    return ArtifactStore(tmp_path / "state")


def tree(place: Path, **files: str) -> Path:
    for name, text in files.items():
        file = place / name.replace("__", "/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return place


def keep(store: ArtifactStore, source: Path) -> str:
    with store.workspace() as workspace:
        return store.commit(store.stage(source, workspace))


def test_a_kept_tree_is_the_same_and_read_only(store: ArtifactStore, tmp_path: Path) -> None:
    source = tree(tmp_path / "src", a="1", dir__b="2")
    (source / "a").chmod(0o4777)
    (source / "empty").mkdir()
    (source / "link").symlink_to("dir/b")
    place = store.artifact_path(keep(store, source))
    assert (place / "dir" / "b").read_text() == "2"
    assert (place / "link").readlink() == Path("dir/b")
    assert (place / "empty").is_dir()
    assert stat.S_IMODE((place / "a").stat().st_mode) == 0o555
    assert stat.S_IMODE((place / "dir" / "b").stat().st_mode) == 0o444


def test_equal_content_has_an_equal_digest_whatever_times_and_order(store: ArtifactStore, tmp_path: Path) -> None:
    one = tree(tmp_path / "one", a="1", dir__b="2")
    other = tree(tmp_path / "other", dir__b="2", a="1")
    os.utime(other / "a", (1, 1))
    assert keep(store, one) == keep(store, other)


@pytest.mark.parametrize("change", ["content", "name", "mode", "link", "empty"])
def test_any_difference_changes_the_digest(store: ArtifactStore, tmp_path: Path, change: str) -> None:
    before = keep(store, tree(tmp_path / "one", a="1", b="2"))
    source = tree(tmp_path / "two", a="1", b="2")
    match change:
        case "content":
            (source / "a").write_text("3")
        case "name":
            (source / "a").rename(source / "c")
        case "mode":
            (source / "a").chmod(0o755)
        case "link":
            (source / "a").unlink()
            (source / "a").symlink_to("b")
        case "empty":
            (source / "d").mkdir()
    assert keep(store, source) != before


@pytest.mark.parametrize("target", ["/etc/passwd", "../outside", "dir/../../outside"])
def test_links_that_lead_outside_are_refused(store: ArtifactStore, tmp_path: Path, target: str) -> None:
    source = tree(tmp_path / "src", dir__b="2")
    (source / "link").symlink_to(target)
    with pytest.raises(Rejected, match="leads outside"):
        keep(store, source)


def test_links_that_lead_outside_through_other_links_are_refused(store: ArtifactStore, tmp_path: Path) -> None:
    source = tree(tmp_path / "src", p__b="2")
    (source / "p" / "up").symlink_to("..")
    (source / "p" / "out").symlink_to("up/../outside")
    with pytest.raises(Rejected, match="leads outside"):
        keep(store, source)


def test_special_files_and_too_large_trees_are_refused(
    store: ArtifactStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    os.mkfifo(tree(tmp_path / "one", a="1") / "pipe")
    with pytest.raises(Rejected, match="socket, pipe or device"):
        keep(store, tmp_path / "one")
    monkeypatch.setattr(artifacts, "MAX_BYTES", 5)
    with pytest.raises(Rejected, match="over 5 bytes"):
        keep(store, tree(tmp_path / "two", a="123456"))
    monkeypatch.setattr(artifacts, "MAX_ENTRIES", 2)
    with pytest.raises(Rejected, match="more than 2"):
        keep(store, tree(tmp_path / "three", a="", b="", c=""))


def test_the_index_leads_to_artifacts_that_exist(store: ArtifactStore, tmp_path: Path) -> None:
    assert store.find_artifact(KEY) is None
    digest = keep(store, tree(tmp_path / "src", a="1"))
    store.remember(KEY, digest)
    assert store.find_artifact(KEY) == digest
    artifacts.remove_tree(store.artifact_path(digest))
    assert store.find_artifact(KEY) is None


@pytest.mark.parametrize("content", ["", "{", "[]", '{"artifact": 7}', '{"artifact": "sha256:../../x"}'])
def test_a_damaged_index_entry_is_no_entry(store: ArtifactStore, tmp_path: Path, content: str) -> None:
    store.remember(KEY, "sha256:" + "0" * 64)
    (tmp_path / "state" / "builds" / f"{KEY}.json").write_text(content)
    assert store.find_artifact(KEY) is None


@pytest.mark.parametrize("digest", ["", "sha256:", "sha256:../x", "sha256:" + "A" * 64, "md5:" + "a" * 64])
def test_what_is_no_digest_or_key_is_refused(store: ArtifactStore, digest: str) -> None:
    with pytest.raises(Rejected):
        store.artifact_path(digest)
    with pytest.raises(Rejected):
        store.find_artifact(digest)


def test_a_key_is_built_by_one_at_a_time(store: ArtifactStore) -> None:
    with store.building(KEY) as first, store.building(KEY) as second, store.building(OTHER) as third:
        assert (first, second, third) == (True, False, True)
    with store.building(KEY) as again:
        assert again


def test_collect_keeps_what_is_named_or_new(store: ArtifactStore, tmp_path: Path) -> None:
    named, new, old = (keep(store, tree(tmp_path / name, a=name)) for name in ("named", "new", "old"))
    store.remember(KEY, named)
    store.remember(OTHER, old)
    now = time.time()
    for digest in (named, old):
        os.utime(store.artifact_path(digest), (now - 7200, now - 7200))
    assert store.collect({named}, now=now) == 1
    assert [store.has(digest) for digest in (named, new, old)] == [True, True, False]
    assert store.find_artifact(KEY) == named
    assert store.find_artifact(OTHER) is None


def test_collect_removes_workspaces_of_the_dead_only(store: ArtifactStore, tmp_path: Path) -> None:
    dead = tmp_path / "state" / "builds" / "work" / "dead"
    tree(dead, a="1")
    with store.workspace() as alive:
        store.collect(set(), now=time.time() + 3600)
        assert alive.is_dir()
        assert not dead.exists()
    assert not alive.exists()
