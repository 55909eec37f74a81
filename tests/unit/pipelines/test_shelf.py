"""The shelf of images: complete or not there, forgotten with their files, registries left alone."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from pipelines.artifacts import ArtifactStore
from pipelines.shelf import BLOB_AGE, ImageRecord, ImageShelf

ONE, TWO = f"sha256:{'1' * 64}", f"sha256:{'2' * 64}"


@pytest.fixture
def shelf(tmp_path: Path) -> ImageShelf:
    return ImageShelf(tmp_path / "images")


def archive(tmp_path: Path) -> Path:
    file = tmp_path / "draft.tar"
    file.write_text("image")
    return file


def test_a_record_is_kept_as_it_was(shelf: ImageShelf) -> None:
    record = ImageRecord(ONE, "r.io/a", 10, base="b", revision="abc")
    assert shelf.get(ONE) is None
    shelf.put(record)
    assert shelf.get(ONE) == record


def test_an_image_whose_file_is_gone_is_not_there(shelf: ImageShelf, tmp_path: Path) -> None:
    shelf.put(ImageRecord(ONE, "x", archive=True), archive(tmp_path))
    assert shelf.get(ONE)
    shelf.archive(ONE).unlink()
    assert shelf.get(ONE) is None


@pytest.mark.parametrize("content", ["", "[]", '{"digest": 1, "surprise": 2}'])
def test_a_torn_record_is_none(shelf: ImageShelf, content: str) -> None:
    shelf.put(ImageRecord(ONE, "x"))
    next(shelf.blobs.parent.glob("*.json")).write_text(content)
    assert shelf.get(ONE) is None


def test_what_nobody_keeps_goes_with_its_file(tmp_path: Path) -> None:
    store = ArtifactStore(tmp_path / "state")
    shelf = store.images
    shelf.put(ImageRecord(ONE, "x", archive=True), archive(tmp_path))
    shelf.put(ImageRecord(TWO, "y"))
    store.remember("a" * 64, ONE)
    store.remember("b" * 64, TWO)
    later = time.time() + 1000
    assert store.collect([TWO], now=later) == 1
    assert (store.has(ONE), store.has(TWO)) == (False, True)
    assert not shelf.archive(ONE).exists()
    assert (store.find_artifact("a" * 64), store.find_artifact("b" * 64)) == (None, TWO)


def test_what_is_young_or_used_stays(shelf: ImageShelf) -> None:
    shelf.put(ImageRecord(ONE, "x"))
    os.utime(next(shelf.blobs.parent.glob("*.json")), (1, 1))
    shelf.touch(ONE)
    assert shelf.collect([], now=time.time(), min_age=600) == set()


def test_blobs_that_were_not_used_for_long_go(shelf: ImageShelf) -> None:
    shelf.blobs.mkdir(parents=True)
    for name, age in (("old", BLOB_AGE + 1), ("new", 0.0)):
        (shelf.blobs / name).write_text("x")
        os.utime(shelf.blobs / name, (time.time() - age,) * 2)
    shelf.collect([], now=time.time(), min_age=600)
    assert [path.name for path in shelf.blobs.iterdir()] == ["new"]
