"""Packaging: from a built tree to an image in a registry, or in a file where there is no registry. Port: `Packaging`.

The user's commands have ended by then; logins of registries are used in here only, by the worker itself, and never
given to what a build runs. Neighbours: images (all formats and transfers), builders (Dockerfiles), artifacts (records).
"""

from __future__ import annotations

import json
import os
import shlex
from collections.abc import Mapping
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from pathlib import Path

from pipelines.artifacts import ArtifactStore
from pipelines.builders.process import ProcessBuilder
from pipelines.errors import NotFound, Rejected, Transient
from pipelines.images.archive import read_archive, write_archive
from pipelines.images.assemble import Base, assemble, empty_base
from pipelines.images.beside import Halt, run_beside
from pipelines.images.blobs import Blobs
from pipelines.images.credentials import Credentials
from pipelines.images.model import Image
from pipelines.images.pull import pull_base
from pipelines.images.push import push_image
from pipelines.images.references import Reference, parse_reference
from pipelines.images.registry import Registry
from pipelines.plans import Tree
from pipelines.ports import (
    DockerfileBuilder,
    DockerfileRequest,
    Ending,
    KeepGoing,
    Log,
    PackageRequest,
    RedBuild,
    Stopped,
)
from pipelines.shelf import ImageRecord
from pipelines.specs import SPEC_FILE, ImageSpec, ServiceSpec

VERSION = "image/1"  # raise it when equal sources give another image: all keys change
NO_REGISTRY = "colorlane.local"  # no host: images are loaded from files, and found by digest
LOAD_TIMEOUT = 600.0  # seconds of the command that loads an image's file
TOLD = 3.0  # seconds of waiting for a registry from which on the log says so
SCRATCH = "scratch"
DOCKERFILE = "Dockerfile"


@dataclass(frozen=True)
class ImageOptions:
    """What an installation decides about images.

    `repository`: where images go, e.g. `registry.example.com/team`; "" keeps them as files. `insecure`: registries
    spoken to by plain HTTP. `base`: for services that name none; `bases`: name as written -> what is taken instead,
    e.g. a mirror. `platform`: os/architecture. `load`: command run for each file, `{archive}` is its path.
    """

    repository: str = ""
    insecure: frozenset[str] = frozenset()
    base: str = ""
    bases: Mapping[str, str] = field(default_factory=dict)
    platform: str = "linux/amd64"
    load: tuple[str, ...] = ()

    def image_name(self, project: str, service: str) -> str:
        """Return the name of a service's image, without a digest."""
        return f"{self.repository or NO_REGISTRY}/{project}/{service}"


class ImagePackaging:
    """See the port's contract. `dockerfiles` None: nothing here builds Dockerfiles."""

    def __init__(
        self,
        options: ImageOptions,
        store: ArtifactStore,
        credentials: Credentials | None = None,
        dockerfiles: DockerfileBuilder | None = None,
    ) -> None:
        self._options = options
        self._store = store
        self._credentials = credentials or Credentials()
        self._dockerfiles = dockerfiles
        self._blobs = Blobs(store.images.blobs)

    def image(self, service: ServiceSpec, tree: Tree) -> ImageSpec:
        """Return what the spec says; else the Dockerfile beside the sources; else a tree on the default base."""
        if service.image is not None:
            return service.image
        own = DOCKERFILE if service.path == "." else f"{service.path}/{DOCKERFILE}"
        return ImageSpec(dockerfile=DOCKERFILE) if own in tree else ImageSpec(base=self._options.base)

    def identity(self, project: str, service: ServiceSpec, tree: Tree) -> str:
        """Return name, platform and source of the image. Tags stand for themselves: see docs/images.md."""
        image = self.image(service, tree)
        builder = self._dockerfiles.kind if image.dockerfile and self._dockerfiles else ""
        base = self._options.bases.get(image.base, image.base)
        parts = [VERSION, self._options.image_name(project, service.name), self._options.platform, builder, base,
                 image.dockerfile, image.target, sorted(image.args.items()), image.reference]  # fmt: skip
        return json.dumps(parts)

    def package(self, request: PackageRequest, workspace: Path, log: Log, keep_going: KeepGoing) -> str:
        """Make the image and put it where the platform finds it; see the port."""
        if request.image.reference:
            return self._given(request, log, keep_going)
        if (
            request.source is not None and request.source.is_symlink()
        ):  # put there by a test, to show what lies elsewhere
            raise RedBuild(f"the built tree of {request.service.name} was replaced by a link while it was tested")
        if request.image.dockerfile:
            archive = self._build_dockerfile(request, workspace, log, keep_going)
            record = run_beside(lambda halt: self._from_archive(request, archive, workspace, log, halt), keep_going)
        else:
            record = run_beside(lambda halt: self._from_tree(request, workspace, log, halt), keep_going)
        if record.archive and self._options.load:
            self._load(self._store.images.archive(record.digest), workspace, log, keep_going)
        return record.digest

    def _given(self, request: PackageRequest, log: Log, keep_going: KeepGoing) -> str:
        """Take an image as it is; one that the registry says is not there fails now instead of in a pod.

        Nodes may reach a registry that this machine does not: nobody waits for one that is away.
        """
        reference = parse_reference(request.image.reference)

        def give_up(seconds: float) -> None:
            raise Transient(f"registry {reference.registry} is away or busy", retry_after=seconds)

        def check(halt: Halt) -> None:
            insecure = reference.registry in self._options.insecure
            asked = Registry(reference, self._credentials, insecure=insecure, going=halt.check, pause=give_up)
            try:
                with closing(asked) as registry:
                    registry.manifest(reference.repository, reference.digest)
            except NotFound:
                raise
            except (Rejected, Transient) as refused:
                log.note(f"cannot see whether the image is there: {refused.message}")

        run_beside(check, keep_going)
        self._store.images.put(ImageRecord(reference.digest, reference.name, revision=request.revision))
        log.note(f"image {reference}: given, nothing is built")
        return reference.digest

    def _from_tree(self, request: PackageRequest, workspace: Path, log: Log, halt: Halt) -> ImageRecord:
        assert request.source is not None  # noqa: S101 - the runner gives it for every image that is built
        with ExitStack() as opened:
            base = self._base(request, opened, log, halt)
            labels = {"org.opencontainers.image.title": request.service.name, "dev.colorlane.project": request.project}
            if base.name:
                labels |= {"org.opencontainers.image.base.name": base.name,
                           "org.opencontainers.image.base.digest": base.digest}  # fmt: skip
            image = assemble(base, request.source, workspace, labels, halt.check)
            return self._publish(request, image, base.name, workspace, log, halt)

    def _base(self, request: PackageRequest, opened: ExitStack, log: Log, halt: Halt) -> Base:
        named = request.image.base
        if not named:
            field = f"services.{request.service.name}.image.base"
            remedy = f"Give {field} in {SPEC_FILE}, a Dockerfile, or COLORLANE_IMAGE_BASE for all services"
            raise Rejected(f"{request.service.name} has no base for its image", field=field, remedy=remedy)
        if named == SCRATCH:
            return empty_base(self._options.platform)
        reference = parse_reference(self._options.bases.get(named, named))
        registry = opened.enter_context(closing(self._registry(reference, halt, log)))
        base = pull_base(registry, reference, self._options.platform, self._blobs)
        log.note(f"base {reference} is {base.digest}")
        return base

    def _build_dockerfile(self, request: PackageRequest, workspace: Path, log: Log, keep_going: KeepGoing) -> Path:
        assert request.source is not None  # noqa: S101 - the runner gives it for every image that is built
        service, image = request.service.name, request.image
        if self._dockerfiles is None:
            remedy = "Set COLORLANE_BUILDER (docs/images.md), or give image.base instead of a Dockerfile"
            raise RedBuild(f"{service} has a Dockerfile, and nothing here builds Dockerfiles. {remedy}")
        # By a link the builder, which may read more than the build's commands, would show a file from elsewhere.
        file = (request.source / image.dockerfile).resolve()
        if not file.is_file() or not file.is_relative_to(request.source.resolve()):
            raise RedBuild(f"{service} has no {image.dockerfile} in its directory after the build command")
        _make_writable(request.source)
        log.note(f"image: {image.dockerfile} with {self._dockerfiles.kind}")
        wanted = DockerfileRequest(service, request.source, image, self._options.platform)
        return self._dockerfiles.build(wanted, workspace, log, keep_going)

    def _from_archive(
        self, request: PackageRequest, archive: Path, workspace: Path, log: Log, halt: Halt
    ) -> ImageRecord:
        image = read_archive(archive, workspace / "parts", self._options.platform)
        archive.unlink()
        return self._publish(request, image, "", workspace, log, halt)

    def _publish(
        self, request: PackageRequest, image: Image, base: str, workspace: Path, log: Log, halt: Halt
    ) -> ImageRecord:
        """Push, or keep as a file; then make the record, which makes it count."""
        name = self._options.image_name(request.project, request.service.name)
        record = ImageRecord(image.digest, name, image.size, not self._options.repository, base, request.revision)
        if self._options.repository:
            place = parse_reference(name)
            with closing(self._registry(place, halt, log)) as registry:
                tag = f"{request.revision[:12]}-{image.digest[7:15]}"  # unique, for registries with immutable tags
                pushed = push_image(registry, place.repository, image, tag)
            log.note(f"pushed {name}@{image.digest}, {image.size / 1e6:.1f} MB: {pushed}")
            self._store.images.put(record)
            return record
        archive = workspace / "image.tar"
        write_archive(image, name, archive, halt.check)
        self._store.images.put(record, archive)
        log.note(f"kept {name}@{image.digest}, {image.size / 1e6:.1f} MB: {self._store.images.archive(image.digest)}")
        return record

    def _load(self, archive: Path, workspace: Path, log: Log, keep_going: KeepGoing) -> None:
        command = shlex.join(part.replace("{archive}", str(archive)) for part in self._options.load)
        log.note(f"load: {command}")
        outcome = ProcessBuilder().execute(
            command, cwd=workspace, home=workspace / "load", timeout=LOAD_TIMEOUT, log=log, keep_going=keep_going
        )
        if outcome.ending is Ending.CANCELED:
            raise Stopped
        if outcome.ending is Ending.TIMED_OUT or outcome.status:
            how = outcome.ending.value if outcome.ending is Ending.TIMED_OUT else f"failed with status {outcome.status}"
            remedy = "Try the command of COLORLANE_IMAGE_LOAD by hand"
            raise RedBuild(f"loading the image {how}; last words: {log.last_line() or 'none'}. {remedy}")

    def _registry(self, reference: Reference, halt: Halt, log: Log) -> Registry:
        def pause(seconds: float) -> None:
            if seconds >= TOLD:
                log.note(f"registry {reference.registry} is away or busy: asked again in {seconds:.0f} s")
            halt.pause(seconds)

        insecure = reference.registry in self._options.insecure
        return Registry(reference, self._credentials, insecure=insecure, going=halt.check, pause=pause)


def _make_writable(tree: Path) -> None:
    """Give the files the modes they have in a checkout: a Dockerfile's COPY takes them over."""
    for folder, _, files in os.walk(tree):
        for name in files:
            path = Path(folder, name)
            if not path.is_symlink():
                path.chmod(0o755 if path.stat().st_mode & 0o111 else 0o644)
