"""Images as data: descriptors, manifest and configuration, and where each layer's bytes can be had. Pure.

Formats: OCI image specification 1.1 (manifest.md, config.md, layer.md); Docker's schema 2 is read as its forerunner.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pipelines.errors import Rejected

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_INDEX = "application/vnd.docker.distribution.manifest.list.v2+json"

# What a layer is called in an OCI manifest. The bytes are the same under either name.
LAYER_TYPES = {
    LAYER: LAYER,
    "application/vnd.docker.image.rootfs.diff.tar.gzip": LAYER,
    "application/vnd.oci.image.layer.v1.tar": "application/vnd.oci.image.layer.v1.tar",
    "application/vnd.docker.image.rootfs.diff.tar": "application/vnd.oci.image.layer.v1.tar",
    "application/vnd.oci.image.layer.v1.tar+zstd": "application/vnd.oci.image.layer.v1.tar+zstd",
}


@dataclass(frozen=True)
class Descriptor:
    """Content by type, digest and size in bytes."""

    media_type: str
    digest: str
    size: int

    def document(self) -> dict[str, Any]:
        """Return the descriptor as it stands in manifests."""
        return {"mediaType": self.media_type, "digest": self.digest, "size": self.size}


@dataclass(frozen=True)
class Layer:
    """`fetch` returns a file with the layer's bytes, downloading it first where needed.

    `source` is the repository (registry/name) that has it already; the same registry can share it without a transfer.
    """

    descriptor: Descriptor
    fetch: Callable[[], Path]
    source: str = ""


@dataclass(frozen=True)
class Image:
    """An image whose identity is `digest`, that of its manifest. Manifest and configuration are kept as the bytes."""

    manifest: bytes
    config: bytes
    layers: tuple[Layer, ...]
    media_type: str = MANIFEST
    labels: Mapping[str, str] = field(default_factory=dict)

    @property
    def digest(self) -> str:
        """sha256 of the manifest."""
        return digest_of(self.manifest)

    @property
    def size(self) -> int:
        """Bytes of all parts as they are transferred."""
        return len(self.manifest) + len(self.config) + sum(layer.descriptor.size for layer in self.layers)


def digest_of(content: bytes) -> str:
    """Return `sha256:...`."""
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def canonical(document: Mapping[str, Any]) -> bytes:
    """Return the one JSON text of a document: digests are of bytes."""
    return json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def image_of(config: Mapping[str, Any], layers: tuple[Layer, ...]) -> Image:
    """Return the image with this configuration and these layers."""
    content = canonical(config)
    manifest = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": Descriptor(CONFIG, digest_of(content), len(content)).document(),
        "layers": [layer.descriptor.document() for layer in layers],
    }
    return Image(canonical(manifest), content, layers)


def read_json(content: bytes, what: str) -> dict[str, Any]:
    """Return a JSON object. Raises Rejected."""
    try:
        document = json.loads(content)
    except (ValueError, RecursionError):
        document = None
    if not isinstance(document, dict):
        raise Rejected(f"{what} is not a JSON object", field="image", remedy="Build or push the image again")
    return document


def read_descriptor(value: Any, what: str) -> Descriptor:
    """Return the descriptor in a manifest that came from outside. Raises Rejected."""
    fields = value if isinstance(value, dict) else {}
    media_type, digest, size = fields.get("mediaType"), fields.get("digest"), fields.get("size")
    if not isinstance(digest, str) or not is_digest(digest) or not isinstance(size, int) or size < 0:
        raise Rejected(f"{what} has a part without sha256 digest and size", field="image", value=str(digest)[:80])
    return Descriptor(str(media_type), digest, size)


def is_digest(text: str) -> bool:
    """Tell whether the text is a sha256 digest."""
    return len(text) == 71 and text.startswith("sha256:") and not set(text[7:]) - set("0123456789abcdef")


def choose_platform(index: Mapping[str, Any], platform: str, what: str) -> Descriptor:
    """Return an index's manifest for `platform` (os/architecture[/variant]). Raises Rejected, naming what is there."""
    found = []
    for entry in index.get("manifests") or []:
        told = entry.get("platform") if isinstance(entry, dict) else None
        fields = told if isinstance(told, dict) else {}
        plain = f"{fields.get('os')}/{fields.get('architecture')}"
        names = {plain, f"{plain}/{fields.get('variant')}"}
        if platform in names:
            return read_descriptor(entry, what)
        found.append(plain)
    known = ", ".join(sorted({name for name in found if "unknown" not in name and "None" not in name})) or "none"
    remedy = "Choose another base, or set COLORLANE_IMAGE_PLATFORM"
    raise Rejected(f"{what} is not for {platform} (it is for: {known})", field="image", value=platform, remedy=remedy)
