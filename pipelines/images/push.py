"""Push: what the registry has not got yet, and the manifest last, so that half an image is never seen."""

from __future__ import annotations

from dataclasses import dataclass

from pipelines.images.model import Image, Layer, digest_of
from pipelines.images.registry import Registry, read_file


@dataclass(frozen=True)
class Pushed:
    """What a push did; `sent` in bytes."""

    sent: int = 0
    uploaded: int = 0
    mounted: int = 0
    present: int = 0

    def __str__(self) -> str:
        """Return it in words."""
        parts = [f"{self.uploaded} uploaded ({self.sent / 1e6:.1f} MB)", f"{self.present} there already"]
        return ", ".join([*parts, *([f"{self.mounted} shared"] if self.mounted else [])])


def push_image(registry: Registry, repository: str, image: Image, tag: str = "") -> Pushed:
    """Put the image into the repository. Harmless to repeat. Raises Rejected and Transient.

    Nothing here pulls by `tag`; it keeps registries from deleting the image as untagged, and tells people what it is.
    """
    done = _parts(registry, repository, image)
    registry.put_manifest(repository, tag or image.digest, image.media_type, image.manifest)
    return done


def _parts(registry: Registry, repository: str, image: Image) -> Pushed:
    """Put what the manifest refers to; a repository that has the manifest has its parts."""
    if registry.has_manifest(repository, image.digest):
        return Pushed(present=len(image.layers) + 1)
    done = Pushed()
    once = {layer.descriptor.digest: layer for layer in reversed(image.layers)}  # of equal ones, the base's
    for layer in once.values():
        done = _layer(registry, repository, layer, done)
    config = digest_of(image.config)
    if registry.has_blob(repository, config):
        return _more(done, present=1)
    registry.upload(repository, config, len(image.config), lambda: iter([image.config]))
    return _more(done, uploaded=1, sent=len(image.config))


def _layer(registry: Registry, repository: str, layer: Layer, done: Pushed) -> Pushed:
    digest = layer.descriptor.digest
    if registry.has_blob(repository, digest):
        return _more(done, present=1)
    host, _, source = layer.source.partition("/")
    if source and host == registry.name and registry.mount(repository, digest, source):
        return _more(done, mounted=1)
    path = layer.fetch()
    registry.upload(repository, digest, layer.descriptor.size, read_file(path))
    return _more(done, uploaded=1, sent=layer.descriptor.size)


def _more(done: Pushed, *, sent: int = 0, uploaded: int = 0, mounted: int = 0, present: int = 0) -> Pushed:
    return Pushed(done.sent + sent, done.uploaded + uploaded, done.mounted + mounted, done.present + present)
