"""Image files: one tar that containerd, Kubernetes' kind and k3s, Docker, podman and skopeo all load.

It is an OCI layout (image-layout.md) with Docker's `manifest.json` beside it. Containerd takes an image's name from the
annotation `io.containerd.image.name` as it stands, so a name with a digest is found by the kubelet under that name.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

from pipelines.errors import Rejected
from pipelines.images.layers import compress
from pipelines.images.model import (
    DOCKER_INDEX,
    INDEX,
    LAYER,
    LAYER_TYPES,
    Descriptor,
    Image,
    Layer,
    canonical,
    choose_platform,
    digest_of,
    image_of,
    read_descriptor,
    read_json,
)

MAX_DOCUMENT = 4 * 1024 * 1024  # of a manifest or configuration
_CHUNK = 1024 * 1024


def write_archive(image: Image, name: str, target: Path, going: Callable[[], None] = lambda: None) -> None:
    """Write the image to `target`, to be known as `name@<digest>` where it is loaded, and by a tag to Docker."""
    tag = image.digest.removeprefix("sha256:")[:12]
    annotations = {"io.containerd.image.name": f"{name}@{image.digest}", "org.opencontainers.image.ref.name": tag}
    entry = Descriptor(image.media_type, image.digest, len(image.manifest)).document() | {"annotations": annotations}
    index = {"schemaVersion": 2, "mediaType": INDEX, "manifests": [entry]}
    docker = [
        {
            "Config": _blob(digest_of(image.config)),
            "RepoTags": [f"{name}:{tag}"],
            "Layers": [_blob(layer.descriptor.digest) for layer in image.layers],
        }
    ]
    with tarfile.open(target, "w", format=tarfile.PAX_FORMAT) as tar:
        _put(tar, "oci-layout", canonical({"imageLayoutVersion": "1.0.0"}))
        _put(tar, "index.json", canonical(index))
        _put(tar, "manifest.json", json.dumps(docker, separators=(",", ":")).encode())
        _put(tar, _blob(image.digest), image.manifest)
        _put(tar, _blob(digest_of(image.config)), image.config)
        for layer in {layer.descriptor.digest: layer for layer in image.layers}.values():
            going()
            path = layer.fetch()
            with path.open("rb") as file:
                tar.addfile(_member(_blob(layer.descriptor.digest), path.stat().st_size), file)


def read_archive(archive: Path, place: Path, platform: str) -> Image:
    """Return the image in a tar that a builder wrote; its layers are unpacked to `place`, each checked by its digest.

    OCI layouts keep their digest; Docker's own format has none, so its parts get a manifest here. Raises Rejected.
    """
    place.mkdir(parents=True, exist_ok=True)
    try:
        with tarfile.open(archive) as tar:
            members = {member.name.removeprefix("./"): member for member in tar if member.isreg()}
            reader = _Reader(tar, members, place)
            return reader.layout(platform) if "index.json" in members else reader.docker()
    except (tarfile.TarError, EOFError, OSError) as error:
        raise Rejected(f"the built image cannot be read: {error}", field="image", remedy="Build it again") from error


class _Reader:
    def __init__(self, tar: tarfile.TarFile, members: dict[str, tarfile.TarInfo], place: Path) -> None:
        self._tar = tar
        self._members = members
        self._place = place

    def layout(self, platform: str) -> Image:
        """Follow index.json to the one image for the platform."""
        index = read_json(self._document("index.json"), "index.json")
        entries = index.get("manifests") or []
        descriptor = read_descriptor(entries[0] if len(entries) == 1 else None, "index.json")
        if descriptor.media_type in (INDEX, DOCKER_INDEX):
            inner = read_json(self._checked(descriptor), "the image's index")
            descriptor = choose_platform(inner, platform, "the built image")
        content = self._checked(descriptor)
        manifest = read_json(content, "the image's manifest")
        config = self._checked(read_descriptor(manifest.get("config"), "the image's manifest"))
        layers = tuple(self._layer(entry) for entry in manifest.get("layers") or [])
        return Image(content, config, layers, descriptor.media_type)

    def docker(self) -> Image:
        """Read what `docker save` wrote: plain layers, named by a list."""
        listed = json.loads(self._document("manifest.json"))
        if not isinstance(listed, list) or len(listed) != 1 or not isinstance(listed[0], dict):
            raise Rejected("the built image's manifest.json does not list one image", field="image")
        config = read_json(self._document(str(listed[0].get("Config"))), "the image's configuration")
        return image_of(_portable(config), tuple(self._plain(str(name)) for name in listed[0].get("Layers") or []))

    def _layer(self, entry: Any) -> Layer:
        descriptor = read_descriptor(entry, "the image's manifest")
        if descriptor.media_type not in LAYER_TYPES:
            raise Rejected(f"a layer has the type {descriptor.media_type[:80]}, which registries do not take over here")
        path = self._place / descriptor.digest.removeprefix("sha256:")
        total = hashlib.sha256()
        with self._open(_blob(descriptor.digest)) as source, path.open("wb") as target:
            while chunk := source.read(_CHUNK):
                total.update(chunk)
                target.write(chunk)
        if f"sha256:{total.hexdigest()}" != descriptor.digest:
            raise _tampered(descriptor.digest)
        return Layer(descriptor, lambda: path)

    def _plain(self, name: str) -> Layer:
        path = self._place / f"plain-{hashlib.sha256(name.encode()).hexdigest()[:16]}.tar.gz"
        with self._open(name) as source:
            head = source.read(2)
            source.seek(0)
            if head == b"\x1f\x8b":
                with gzip.open(source) as inner:
                    packed = compress(inner, path)  # type: ignore[arg-type]  # a GzipFile is read like a file
            else:
                packed = compress(source, path)
        return Layer(Descriptor(LAYER, packed.digest, packed.size), lambda: path)

    def _checked(self, descriptor: Descriptor) -> bytes:
        content = self._document(_blob(descriptor.digest))
        if digest_of(content) != descriptor.digest:
            raise _tampered(descriptor.digest)
        return content

    def _document(self, name: str) -> bytes:
        with self._open(name) as file:
            content = file.read(MAX_DOCUMENT + 1)
        if len(content) > MAX_DOCUMENT:
            raise Rejected(f"{name[:100]} in the built image is over {MAX_DOCUMENT} bytes", field="image")
        return content

    def _open(self, name: str) -> IO[bytes]:
        member = self._members.get(name)
        file = self._tar.extractfile(member) if member is not None else None
        if file is None:
            raise Rejected(f"the built image has no {name[:100]}", field="image", remedy="Build it again")
        return file


def _portable(config: dict[str, Any]) -> dict[str, Any]:
    """Leave out what Docker notes of its own run: the container it used, and its version."""
    own = {"container", "container_config", "docker_version", "id", "parent"}
    return {key: value for key, value in config.items() if key not in own}


def _tampered(digest: str) -> Rejected:
    return Rejected(f"content does not have its digest {digest}", field="image", value=digest, remedy="Build it again")


def _blob(digest: str) -> str:
    return f"blobs/sha256/{digest.removeprefix('sha256:')}"


def _member(name: str, size: int) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode, entry.mtime = size, 0o644, 0
    return entry


def _put(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    tar.addfile(_member(name, len(content)), io.BytesIO(content))
