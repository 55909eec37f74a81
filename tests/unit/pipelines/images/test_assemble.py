"""Assembled images: the base's settings under ours, and a digest of content alone."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pipelines.errors import Rejected
from pipelines.images.assemble import Base, assemble, empty_base
from pipelines.images.model import (
    LAYER,
    Descriptor,
    Image,
    Layer,
    choose_platform,
    digest_of,
    is_digest,
    read_descriptor,
    read_json,
)

OLD = Layer(Descriptor(LAYER, f"sha256:{'1' * 64}", 10), lambda: Path("/nowhere"), "r.io/base")
BASE = Base(
    {
        "os": "linux",
        "architecture": "arm64",
        "variant": "v8",
        "created": "2026-01-01T00:00:00Z",
        "container": "noise",
        "config": {"Env": ["PATH=/x", "A=b"], "Cmd": ["sh"], "User": "root", "Hostname": "noise", "Labels": {"a": "1"}},
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{'2' * 64}"]},
        "history": [{"created_by": "base"}],
    },
    (OLD,),
    "r.io/base:1",
    f"sha256:{'3' * 64}",
)


def made(tmp_path: Path, base: Base = BASE, text: str = "x") -> Image:
    tree = tmp_path / "tree"
    tree.mkdir(exist_ok=True)
    (tree / "file").write_text(text)
    return assemble(base, tree, tmp_path, {"b": "2"})


def test_the_tree_is_one_layer_on_the_base(tmp_path: Path) -> None:
    image = made(tmp_path)
    manifest, config = json.loads(image.manifest), json.loads(image.config)
    assert image.layers[0] == OLD
    assert [layer["digest"] for layer in manifest["layers"]] == [layer.descriptor.digest for layer in image.layers]
    assert manifest["config"]["digest"] == digest_of(image.config)
    assert len(config["rootfs"]["diff_ids"]) == len(config["history"]) == 2
    assert (config["os"], config["architecture"], config["variant"]) == ("linux", "arm64", "v8")
    assert config["config"] == {
        "Env": ["PATH=/x", "A=b"],
        "Cmd": ["sh"],
        "User": "10001:10001",
        "WorkingDir": "/app",
        "Labels": {"a": "1", "b": "2"},
    }
    assert "container" not in config


def test_the_digest_is_stable_and_of_the_content(tmp_path: Path) -> None:
    assert made(tmp_path).digest == made(tmp_path).digest
    assert made(tmp_path).digest != made(tmp_path, text="y").digest


def test_scratch_has_a_path_and_a_platform(tmp_path: Path) -> None:
    config = json.loads(made(tmp_path, empty_base("linux/arm/v7")).config)
    assert (config["os"], config["architecture"], config["variant"]) == ("linux", "arm", "v7")
    assert config["config"]["Env"][0].startswith("PATH=")
    assert len(config["rootfs"]["diff_ids"]) == 1


INDEX = {
    "manifests": [
        {"digest": f"sha256:{'a' * 64}", "size": 1, "platform": {"os": "linux", "architecture": "amd64"}},
        {
            "digest": f"sha256:{'b' * 64}",
            "size": 1,
            "platform": {"os": "linux", "architecture": "arm", "variant": "v7"},
        },
        {"digest": f"sha256:{'c' * 64}", "size": 1, "platform": {"os": "unknown", "architecture": "unknown"}},
        "nonsense",
    ]
}


def test_an_index_gives_the_platform_or_says_what_it_has() -> None:
    assert choose_platform(INDEX, "linux/amd64", "x").digest == f"sha256:{'a' * 64}"
    assert choose_platform(INDEX, "linux/arm/v7", "x").digest == f"sha256:{'b' * 64}"
    with pytest.raises(Rejected, match=r"x is not for linux/s390x \(it is for: linux/amd64, linux/arm\)"):
        choose_platform(INDEX, "linux/s390x", "x")


@pytest.mark.parametrize("value", [None, {}, {"digest": "md5:1", "size": 1}, {"digest": f"sha256:{'a' * 64}"}])
def test_a_part_without_digest_is_refused(value: object) -> None:
    with pytest.raises(Rejected):
        read_descriptor(value, "the manifest")


@pytest.mark.parametrize("content", [b"", b"[]", b"{", b"\xff", b"[" * 100_000])
def test_what_is_no_document_is_refused(content: bytes) -> None:
    with pytest.raises(Rejected):
        read_json(content, "the manifest")


def test_digests() -> None:
    assert is_digest(f"sha256:{'a' * 64}")
    assert not is_digest(f"sha256:{'A' * 64}")
    assert not is_digest(f"sha256:{'a' * 63}/")
