"""Image files: written and read back with the same digest; altered or odd ones refused."""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path

import pytest

from pipelines.errors import Rejected
from pipelines.images.archive import read_archive, write_archive
from pipelines.images.assemble import assemble, empty_base
from pipelines.images.model import Image, digest_of

PLATFORM = "linux/amd64"


@pytest.fixture
def image(tmp_path: Path) -> Image:
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree" / "file").write_text("hello")
    return assemble(empty_base(PLATFORM), tmp_path / "tree", tmp_path, {})


def members(archive: Path) -> dict[str, bytes]:
    with tarfile.open(archive) as tar:
        return {member.name: file.read() for member in tar if (file := tar.extractfile(member))}


def packed(place: Path, files: dict[str, bytes]) -> Path:
    with tarfile.open(place, "w") as tar:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    return place


def test_what_is_written_is_read_with_its_digest(image: Image, tmp_path: Path) -> None:
    write_archive(image, "colorlane.local/shop/a", tmp_path / "a.tar")
    again = read_archive(tmp_path / "a.tar", tmp_path / "parts", PLATFORM)
    assert again.digest == image.digest
    assert again.layers[0].fetch().read_bytes() == image.layers[0].fetch().read_bytes()
    index = json.loads(members(tmp_path / "a.tar")["index.json"])
    named = index["manifests"][0]["annotations"]["io.containerd.image.name"]
    assert named == f"colorlane.local/shop/a@{image.digest}"


def test_the_file_itself_is_reproducible(image: Image, tmp_path: Path) -> None:
    write_archive(image, "x/a", tmp_path / "a.tar")
    write_archive(image, "x/a", tmp_path / "b.tar")
    assert (tmp_path / "a.tar").read_bytes() == (tmp_path / "b.tar").read_bytes()


@pytest.mark.parametrize("part", ["layer", "config", "manifest"])
def test_altered_content_is_refused(image: Image, tmp_path: Path, part: str) -> None:
    write_archive(image, "x/a", tmp_path / "a.tar")
    digests = {
        "layer": image.layers[0].descriptor.digest,
        "config": digest_of(image.config),
        "manifest": image.digest,
    }
    files = members(tmp_path / "a.tar")
    name = f"blobs/sha256/{digests[part].removeprefix('sha256:')}"
    files[name] = files[name][:-1] + bytes([files[name][-1] ^ 1])
    with pytest.raises(Rejected, match="does not have its digest"):
        read_archive(packed(tmp_path / "b.tar", files), tmp_path / "parts", PLATFORM)


def test_dockers_own_format_gets_a_manifest(image: Image, tmp_path: Path) -> None:
    layer = io.BytesIO()
    with tarfile.open(fileobj=layer, mode="w") as tar:
        tar.addfile(tarfile.TarInfo("empty"))
    config = {"os": "linux", "architecture": "amd64", "rootfs": {"type": "layers"}, "docker_version": "20"}
    listed = [{"Config": "abc.json", "RepoTags": None, "Layers": ["1/layer.tar"]}]
    files = {
        "abc.json": json.dumps(config).encode(),
        "1/layer.tar": layer.getvalue(),
        "manifest.json": json.dumps(listed).encode(),
    }
    first = read_archive(packed(tmp_path / "a.tar", files), tmp_path / "one", PLATFORM)
    second = read_archive(packed(tmp_path / "b.tar", files), tmp_path / "two", PLATFORM)
    assert first.digest == second.digest
    assert "docker_version" not in json.loads(first.config)
    assert first.layers[0].fetch().read_bytes()[:2] == b"\x1f\x8b"


@pytest.mark.parametrize("files", [{}, {"index.json": b"{}"}, {"index.json": b"["}, {"manifest.json": b"[]"}])
def test_what_is_no_image_is_refused(tmp_path: Path, files: dict[str, bytes]) -> None:
    with pytest.raises(Rejected):
        read_archive(packed(tmp_path / "a.tar", files), tmp_path / "parts", PLATFORM)


def test_a_torn_file_is_refused(image: Image, tmp_path: Path) -> None:
    write_archive(image, "x/a", tmp_path / "a.tar")
    (tmp_path / "b.tar").write_bytes((tmp_path / "a.tar").read_bytes()[:3000])
    with pytest.raises(Rejected):
        read_archive(tmp_path / "b.tar", tmp_path / "parts", PLATFORM)
