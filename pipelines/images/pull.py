"""Pull: a base image's manifest and configuration now, its layers only when somebody needs their bytes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from pipelines.errors import Rejected
from pipelines.images.assemble import Base
from pipelines.images.blobs import Blobs
from pipelines.images.model import (
    DOCKER_INDEX,
    INDEX,
    LAYER_TYPES,
    Descriptor,
    Layer,
    choose_platform,
    digest_of,
    read_descriptor,
    read_json,
)
from pipelines.images.references import Reference
from pipelines.images.registry import Registry


def pull_base(registry: Registry, reference: Reference, platform: str, blobs: Blobs) -> Base:
    """Return the image for `platform` as a base. Raises NotFound, Rejected (platform, altered content) and Transient.

    A reference with a digest that was pulled before asks nothing of the registry.
    """
    digest, content = _manifest(registry, reference, platform, blobs)
    manifest = read_json(content, f"the manifest of {reference}")
    config = read_descriptor(manifest.get("config"), str(reference))
    fetch = _fetcher(registry, reference.repository, blobs)
    document = read_json(fetch(config)().read_bytes(), f"the configuration of {reference}")
    layers = tuple(
        Layer(descriptor, fetch(descriptor), reference.name)
        for descriptor in (_layer(entry, reference) for entry in manifest.get("layers") or [])
    )
    return Base(document, layers, str(reference), digest)


def _manifest(registry: Registry, reference: Reference, platform: str, blobs: Blobs) -> tuple[str, bytes]:
    """Return digest and content of the platform's manifest, through an index where there is one."""
    content = _document(registry, reference.repository, reference.target, blobs)
    document = read_json(content, f"the manifest of {reference}")
    if document.get("mediaType") in (INDEX, DOCKER_INDEX) or "manifests" in document:
        chosen = choose_platform(document, platform, str(reference))
        content = _document(registry, reference.repository, chosen.digest, blobs)
    return digest_of(content), content


def _document(registry: Registry, repository: str, target: str, blobs: Blobs) -> bytes:
    if target.startswith("sha256:") and (known := blobs.find(target)):
        return known.read_bytes()
    content, media_type = registry.manifest(repository, target)
    blobs.add(Descriptor(media_type, digest_of(content), len(content)), [content])
    return content


def _layer(entry: object, reference: Reference) -> Descriptor:
    found = read_descriptor(entry, str(reference))
    if found.media_type not in LAYER_TYPES:
        message = f"a layer of {reference} has the type {found.media_type[:80]}, which cannot be built upon"
        raise Rejected(message, field="image", value=found.media_type[:80], remedy="Choose another base")
    return Descriptor(LAYER_TYPES[found.media_type], found.digest, found.size)


def _fetcher(registry: Registry, repository: str, blobs: Blobs) -> Callable[[Descriptor], Callable[[], Path]]:
    def fetch(descriptor: Descriptor) -> Callable[[], Path]:
        def run() -> Path:
            if known := blobs.find(descriptor.digest):
                return known
            with registry.blob(repository, descriptor.digest) as chunks:
                return blobs.add(descriptor, chunks)

        return run

    return fetch
