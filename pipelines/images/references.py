"""Image references: `[registry/]repository[:tag][@digest]`, with short names written out. Pure.

Grammar and defaults are those of github.com/distribution/reference: a name without a registry is one of the default
registry, whose API answers under another name, and whose logins stand in Docker's file under several.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from pipelines.errors import Rejected

DEFAULT_REGISTRY = "docker.io"
DEFAULT_API = "registry-1.docker.io"
DEFAULT_LOGINS = ("https://index.docker.io/v1/", "index.docker.io", DEFAULT_REGISTRY, DEFAULT_API)
_REFERENCE = re.compile(
    r"(?P<name>[A-Za-z0-9][A-Za-z0-9._:/-]*?)(?::(?P<tag>\w[\w.-]{0,127}))?(?:@(?P<digest>sha256:[0-9a-f]{64}))?"
)
_REPOSITORY = re.compile(r"[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*)*")
_HOST = re.compile(r"[A-Za-z0-9](?:[-A-Za-z0-9.]*[A-Za-z0-9])?(?::[0-9]{1,5})?")


@dataclass(frozen=True)
class Reference:
    """One image. `digest` wins over `tag` when both are given."""

    registry: str
    repository: str
    tag: str = ""
    digest: str = ""

    @property
    def host(self) -> str:
        """Where the registry's API answers."""
        return DEFAULT_API if self.registry == DEFAULT_REGISTRY else self.registry

    @property
    def target(self) -> str:
        """What to ask the registry for."""
        return self.digest or self.tag or "latest"

    @property
    def name(self) -> str:
        """Registry and repository, without tag and digest."""
        return f"{self.registry}/{self.repository}"

    def __str__(self) -> str:
        """Return the reference in full."""
        tag = f":{self.tag}" if self.tag else ""
        return f"{self.name}{tag}{f'@{self.digest}' if self.digest else ''}"


def parse_reference(text: str) -> Reference:
    """Return the reference. Raises Rejected for what names no image."""
    match = _REFERENCE.fullmatch(text)
    if match is None:
        raise _refused(text)
    name = match["name"]
    first, slash, rest = name.partition("/")
    if slash and ("." in first or ":" in first or first == "localhost" or first.lower() != first):
        registry, repository = first, rest
    else:
        registry, repository = DEFAULT_REGISTRY, name if slash else f"library/{name}"
    if registry in DEFAULT_LOGINS:
        registry = DEFAULT_REGISTRY
    if not _HOST.fullmatch(registry) or not _REPOSITORY.fullmatch(repository):
        raise _refused(text)
    return Reference(registry, repository, match["tag"] or "", match["digest"] or "")


def _refused(text: str) -> Rejected:
    remedy = "Write it as in `docker pull`, e.g. registry.example.com/team/app:1"
    return Rejected(f"not the name of an image: {text[:200]!r}", field="image", value=text[:200], remedy=remedy)
