"""The sample shop in a repository, and one of its services built to an image."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

from pipelines.artifacts import ArtifactStore
from pipelines.git import Git
from pipelines.plans import content_key
from pipelines.ports import Packaging
from pipelines.runner import JobRequest, JobResult, run_job
from pipelines.specs import parse_spec
from tests.architecture.sources import ROOT
from tests.fakes.repositories import git

Files = dict[str, str]


class Shop:
    """A repository at `place`; `commit` writes files on top of it."""

    def __init__(self, place: Path, files: Files | None = None) -> None:
        self.path = place
        if files is None:
            ignored = shutil.ignore_patterns("__pycache__", ".colorlane")
            shutil.copytree(ROOT / "samples" / "bookshop", place, ignore=ignored)
        else:
            place.mkdir(parents=True)
        git(place, "init", "--quiet", "--initial-branch=main")
        self.commit(files or {})

    def commit(self, files: Files) -> str:
        """Commit the files; return the commit."""
        for name, text in files.items():
            file = self.path / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
        git(self.path, "add", "-A")
        git(self.path, "commit", "--quiet", "--allow-empty", "-m", "change")
        return git(self.path, "rev-parse", "HEAD").strip()

    def key(self, packaging: Packaging, service: str) -> str:
        """Return the content key of a service at main."""
        tree = Git(self.path).tree("main")
        return content_key(self._spec(service), tree, lambda each, entries: packaging.identity("shop", each, entries))

    def _spec(self, service: str):  # type: ignore[no-untyped-def]
        return parse_spec((self.path / "colorlane.yaml").read_bytes()).services[service]

    def build(
        self,
        store: ArtifactStore,
        packaging: Packaging,
        service: str,
        keep_going: Callable[[], bool] = lambda: True,
    ) -> tuple[JobResult, str]:
        """Build a service of main to an image; return the result and the log."""
        log = self.path.parent / f"{service}.log"
        log.unlink(missing_ok=True)
        revision = Git(self.path).commit("main")
        request = JobRequest(self.path, revision, self._spec(service), self.key(packaging, service), log, "shop")
        result = run_job(request, store, packaging=packaging, keep_going=keep_going)
        return result, log.read_text()
