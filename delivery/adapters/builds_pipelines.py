"""Builds on our own pipelines package. Port: `delivery.ports.builds`.

Neighbours: pipelines, render_kustomize, pipeline_targets.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from delivery import errors
from delivery.adapters.git_refs import git as run_git
from delivery.adapters.pipeline_targets import target_of
from delivery.adapters.recent_renderings import RecentRenderings
from delivery.adapters.render_kustomize import render_services
from delivery.errors import Transient
from delivery.ports.builds import BuildOutcome, Commit, Plan, PlannedService, Target
from delivery.releases import Manifest
from pipelines import errors as pipeline_errors
from pipelines.artifacts import ArtifactStore
from pipelines.builders.process import ProcessBuilder
from pipelines.git import Git
from pipelines.images.references import parse_reference
from pipelines.plans import BUILDER, Builder, content_keys
from pipelines.plans import plan as plan_services
from pipelines.ports import Packaging
from pipelines.runner import JobRequest, run_job
from pipelines.specs import SPEC_FILE, Spec, parse_spec

YOUNG = 10.0  # seconds an artifact is kept whatever is asked: its job may not have been saved yet


@contextmanager
def _translated() -> Iterator[None]:
    """Turn the errors of pipelines into delivery's, which have the same shape."""
    try:
        yield
    except pipeline_errors.NotFound as error:
        raise errors.NotFound(error.message, field=error.field, value=error.value, remedy=error.remedy) from error
    except pipeline_errors.Rejected as error:
        raise errors.Rejected(error.message, field=error.field, value=error.value, remedy=error.remedy) from error
    except pipeline_errors.Transient as error:
        raise errors.Transient(error.message, retry_after=error.retry_after) from error
    except pipeline_errors.Broken as error:
        raise errors.Broken(str(error)) from error


class PipelineBuilds:
    """`state` is the state directory. With `packaging` artifacts are images, else trees of files.

    `hidden`: files and folders that build and test commands cannot read.
    """

    def __init__(self, state: Path, packaging: Packaging | None = None, hidden: Sequence[Path] = ()) -> None:
        self._commands = ProcessBuilder(hidden)
        self._artifacts = ArtifactStore(state)
        self._packaging = packaging
        self._rendered = RecentRenderings()

    def plan(self, repository: Path, project: str, branch: str, revision: str, default_branch: str) -> Plan:
        """Read colorlane.yaml at `revision` and compare with the base."""
        with _translated():
            git = Git(repository)
            spec = _spec(git, revision)
            _check_project(spec, project)
            target = target_of(spec, branch)
            if target is None:
                return Plan(spec.entry, (), None)
            base = _parent(git, repository, revision) if target.is_production else _fork(git, revision, default_branch)
            services = self._services(git, spec, project, revision, base, default_branch)
            if base and not target.is_production:
                services = self._with_manifests(repository, git, spec, project, revision, base, services)
            return Plan(spec.entry, services, target)

    def _services(
        self, git: Git, spec: Spec, project: str, revision: str, base: str | None, default_branch: str
    ) -> tuple[PlannedService, ...]:
        since = f"{default_branch} at {base[:8]}" if base else "the start"
        base_spec = _spec_or_none(git, base) if base else None
        tree = git.tree(revision)
        builder = self._builder(project)
        keys = content_keys(spec, tree, builder).values()
        known = {key: artifact for key in keys if (artifact := self._artifacts.find_artifact(key))}
        before = git.tree(base) if base else None
        given = self._given(spec)
        found = plan_services(
            spec, tree, before, known, base_spec=base_spec, since=since, builder=builder, sourceless=given
        )
        return tuple(
            PlannedService(each.service, each.key, each.reason, each.changed) for each in found.services.values()
        )

    def _builder(self, project: str) -> Builder:
        """Return what makes equal sources unequal artifacts."""
        packaging = self._packaging
        return (lambda service, tree: packaging.identity(project, service, tree)) if packaging else BUILDER

    def _given(self, spec: Spec) -> dict[str, str]:
        """Return service -> image name, without digest, of the services whose image is given."""
        if self._packaging is None:
            return {}
        images = {name: service.image for name, service in spec.services.items()}
        return {
            name: parse_reference(image.reference).name for name, image in images.items() if image and image.reference
        }

    def _with_manifests(
        self,
        repository: Path,
        git: Git,
        spec: Spec,
        project: str,
        revision: str,
        base: str,
        services: tuple[PlannedService, ...],
    ) -> tuple[PlannedService, ...]:
        """Mark services whose manifests the branch changes, too: what runs is artifact and manifests."""
        prefix = "" if spec.manifests == "." else f"{spec.manifests}/"
        if not any(path.startswith(prefix) for path in git.changed_paths(base, revision)):
            return services
        digest = f"sha256:{'0' * 64}"  # any: both sides get the same
        wanted = {service.name: digest for service in services if not service.changed}
        now = self.render(repository, revision, project, wanted)
        try:
            then = self.render(repository, base, project, wanted)
        except errors.Rejected:
            then = {}
        reason = f"its manifests changed since {base[:8]}"
        return tuple(
            PlannedService(each.name, each.key, reason, True)
            if each.name in wanted and now.get(each.name) != then.get(each.name)
            else each
            for each in services
        )

    def build(
        self,
        repository: Path,
        revision: str,
        service: str,
        key: str,
        log: Path,
        keep_going: Callable[[], bool],
        project: str = "",
    ) -> BuildOutcome:
        """Build and test one service."""
        with _translated():
            spec = _spec(Git(repository), revision)
            request = JobRequest(repository, revision, spec.services[service], key, log, project)
            result = run_job(
                request, self._artifacts, keep_going=keep_going, builder=self._commands, packaging=self._packaging
            )
        return BuildOutcome(result.state, result.artifact, result.message)

    def has(self, artifact: str) -> bool:
        """Tell whether the artifact can still be deployed."""
        return bool(artifact) and self._artifacts.has(artifact)

    def render(
        self, repository: Path, revision: str, project: str, artifacts: Mapping[str, str]
    ) -> Mapping[str, Sequence[Manifest]]:
        """Render the services' manifests with kustomize, or take the rendering that was made during the build."""

        def rendered(digests: Mapping[str, str]) -> Mapping[str, Sequence[Manifest]]:
            with _translated():
                git = Git(repository)
                spec = _spec(git, revision)
                return render_services(git, revision, spec.manifests, project, digests, self._given(spec))

        return self._rendered.render((str(repository), revision, project), artifacts, rendered)

    def target(self, repository: Path, branch: str, revision: str) -> tuple[str, Target | None]:
        """Return the entry service and where the branch goes."""
        with _translated():
            spec = _spec(Git(repository), revision)
            return spec.entry, target_of(spec, branch)

    def commit(self, repository: Path, revision: str) -> Commit:
        """Return author and message."""
        with _translated():
            id = Git(repository).commit(revision)
        told = run_git("show", "-s", "--format=%an%n%B", id, where=repository)
        author, _, message = told.encode(errors="replace").decode().partition("\n")
        return Commit(id, author, message.strip())

    def is_ancestor(self, repository: Path, older: str, newer: str) -> bool:
        """Tell whether `older` is reachable from `newer`."""
        try:
            with _translated():
                return Git(repository).merge_base(older, newer) == older
        except errors.Rejected:
            return False

    def collect(self, keep: frozenset[str]) -> int:
        """Delete what nobody keeps."""
        return self._artifacts.collect(keep, now=time.time(), min_age=YOUNG)


def _spec(git: Git, revision: str) -> Spec:
    content = git.file(revision, SPEC_FILE)
    if content is None:
        raise errors.Rejected(
            f"there is no {SPEC_FILE} at {revision[:12]}",
            field=SPEC_FILE,
            remedy=f"commit a {SPEC_FILE} at the top of the repository; see docs/pipelines.md",
        )
    return parse_spec(content)


def _spec_or_none(git: Git, revision: str) -> Spec | None:
    """A base whose file is missing or wrong has no services to compare with."""
    try:
        return _spec(git, revision)
    except (pipeline_errors.Rejected, errors.Rejected):
        return None


def _check_project(spec: Spec, project: str) -> None:
    if spec.project and spec.project != project:
        raise errors.Rejected(
            f"{SPEC_FILE}: project: is {spec.project!r}, but the repository is registered as {project!r}",
            field="project",
            value=spec.project,
            remedy="correct or remove the line",
        )


def _fork(git: Git, revision: str, default_branch: str) -> str | None:
    """Return where the branch left the default branch, None when it never was part of it."""
    try:
        return git.merge_base(revision, f"refs/heads/{default_branch}")
    except pipeline_errors.NotFound:
        return None


def _parent(git: Git, repository: Path, revision: str) -> str | None:
    """Return the first parent, for the reasons people read; None for the first commit."""
    try:
        return run_git("rev-parse", "--verify", "--quiet", f"{git.commit(revision)}^", where=repository).strip() or None
    except Transient:
        return None
