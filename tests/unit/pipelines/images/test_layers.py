"""Layers: bytes that depend on content only, and names that must not get in."""

from __future__ import annotations

import gzip
import os
import random
import shutil
import tarfile
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.builders.tools import SOURCE_DATE
from pipelines.errors import Rejected
from pipelines.images.layers import EPOCH, compress, pack_layer

NAMES = st.text(st.characters(codec="utf-8", exclude_characters="/\0"), min_size=1, max_size=12).filter(
    lambda name: name not in (".", "..") and not name.startswith(".wh.")
)
TREES = st.dictionaries(NAMES, st.tuples(st.binary(max_size=300), st.booleans()), min_size=1, max_size=8)


def write(place: Path, tree: dict[str, tuple[bytes, bool]], order: int) -> Path:
    """Write the tree in some order, with times and a umask of that order's own."""
    place.mkdir()
    names = list(tree)
    random.Random(order).shuffle(names)
    for name in names:
        content, executable = tree[name]
        (place / name).write_bytes(content)
        (place / name).chmod(0o700 | order % 2 * 0o77 if executable else 0o600 | order % 2 * 0o44)
        os.utime(place / name, (order * 1000, order * 1000))
    return place


@settings(max_examples=40, deadline=None)
@given(TREES, st.integers(0, 9), st.integers(0, 9))
def test_equal_trees_give_equal_layers(tree: dict[str, tuple[bytes, bool]], one: int, other: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        first = pack_layer(write(place / "one", tree, one), "app", place / "1.gz")
        second = pack_layer(write(place / "two", tree, other), "app", place / "2.gz")
        assert (first.digest, first.diff_id, first.size) == (second.digest, second.diff_id, second.size)
        assert (place / "1.gz").read_bytes() == (place / "2.gz").read_bytes()


@settings(max_examples=40, deadline=None)
@given(TREES, st.data())
def test_another_content_gives_another_layer(tree: dict[str, tuple[bytes, bool]], data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(sorted(tree)))
    changed = {**tree, name: (tree[name][0] + b"!", tree[name][1])}
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        first = pack_layer(write(place / "one", tree, 1), "app", place / "1.gz")
        second = pack_layer(write(place / "two", changed, 1), "app", place / "2.gz")
        assert first.digest != second.digest


def test_entries_are_roots_and_of_one_time(tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    (tree / "bin").mkdir(parents=True)
    (tree / "bin" / "run").write_text("x")
    (tree / "bin" / "run").chmod(0o555)
    (tree / "data").write_text("y")
    (tree / "link").symlink_to("bin/run")
    packed = pack_layer(tree, "srv/app", tmp_path / "layer")
    with tarfile.open(packed.path) as tar:
        entries = {entry.name: entry for entry in tar}
    assert list(entries) == ["srv", "srv/app", "srv/app/bin", "srv/app/bin/run", "srv/app/data", "srv/app/link"]
    assert {(entry.uid, entry.gid, entry.mtime) for entry in entries.values()} == {(0, 0, EPOCH)}
    assert (entries["srv/app/bin/run"].mode, entries["srv/app/data"].mode) == (0o755, 0o644)
    assert entries["srv/app/link"].linkname == "bin/run"
    assert int(SOURCE_DATE) == EPOCH


def test_deep_and_odd_names_survive(tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    deep = tree.joinpath(*["a" * 60] * 5)
    deep.mkdir(parents=True)
    (deep / "é ü").write_text("x")
    (tree / os.fsdecode(b"latin-\xe9")).write_text("y")
    packed = pack_layer(tree, "app", tmp_path / "layer")
    out = tmp_path / "out"
    with tarfile.open(packed.path) as tar:
        tar.extractall(out, filter="data")
    assert out.joinpath("app", *["a" * 60] * 5, "é ü").read_text() == "x"
    assert (out / "app" / os.fsdecode(b"latin-\xe9")).read_text() == "y"


@pytest.mark.parametrize("kind", ["whiteout", "pipe"])
def test_what_would_mean_something_else_is_refused(tmp_path: Path, kind: str) -> None:
    tree = tmp_path / "tree"
    tree.mkdir()
    if kind == "whiteout":
        (tree / ".wh.passwd").write_text("")
    else:
        os.mkfifo(tree / "pipe")
    with pytest.raises(Rejected):
        pack_layer(tree, "app", tmp_path / "layer")


def test_a_plain_tar_is_compressed_alike(tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    tree.mkdir()
    (tree / "a").write_text("x" * 10_000)
    packed = pack_layer(tree, "app", tmp_path / "layer")
    with gzip.open(packed.path) as inner, (tmp_path / "plain").open("wb") as plain:
        shutil.copyfileobj(inner, plain)
    with (tmp_path / "plain").open("rb") as plain:
        again = compress(plain, tmp_path / "again")
    assert (again.digest, again.diff_id) == (packed.digest, packed.diff_id)


def test_a_stopped_job_stops_packing(tmp_path: Path) -> None:
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree" / "a").write_text("x")

    def stop() -> None:
        raise KeyError

    with pytest.raises(KeyError):
        pack_layer(tmp_path / "tree", "app", tmp_path / "layer", stop)
