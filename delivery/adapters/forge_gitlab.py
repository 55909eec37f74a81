"""GitLab as the Git host: statuses by python-gitlab, commits by a local bare mirror. Port: `delivery.ports.forge`.

The token reaches Git by environment (`GIT_CONFIG_*`, http.extraHeader), never by argv or by the stored URL.
Traps of the statuses API: github.com/gitlab-org/gitlab issues 13134 (races create two pipelines: our writer is
serialised) and "Cannot transition status", which is an outcome and no error: the host already holds such a state.
"""

from __future__ import annotations

import base64
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import structlog

from delivery.adapters.git_refs import TIMEOUT as FETCH_TIMEOUT
from delivery.adapters.git_refs import git, has_commit
from delivery.errors import Rejected, Transient
from delivery.ports.forge import CommitState
from delivery.projects import Project

if TYPE_CHECKING:  # loaded when a status is sent: most processes never do
    import gitlab
    from gitlab.exceptions import GitlabError

log = structlog.get_logger(__name__)

TIMEOUT = 10.0  # seconds for one API call, or one look at the branches
DESCRIPTION_LIMIT = 255  # characters GitLab keeps of a status
_DENIED = ("could not read Username", "Authentication failed", "returned error: 403")  # Git's words for 401 and 403
_FINAL = frozenset({400, 422})  # transition refused, or too many statuses: asking again would never help


class GitlabForge:
    """`root` holds the mirrors, `<project>.git`."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def prepare(self, project: Project) -> None:
        """Make an empty mirror; the first use fetches."""
        git("init", "--bare", "--quiet", f"--initial-branch={project.default_branch}", str(self._path(project)))

    def forget(self, project: Project) -> None:
        """Delete the mirror."""
        shutil.rmtree(self._path(project), ignore_errors=True)

    def repository(self, project: Project, revision: str = "") -> Path:
        """Return the mirror, fetched now unless it holds the revision."""
        path = self._path(project)
        if not (path / "HEAD").exists():
            self.prepare(project)
        if revision and has_commit(path, revision):
            return path
        refs = "+refs/heads/*:refs/heads/*"
        _git(project, "fetch", "--quiet", "--prune", "--no-tags", project.clone_url, refs, where=path)
        return path

    def heads(self, project: Project) -> Mapping[str, str]:
        """Return branch -> commit as the host states it now."""
        listed = _git(project, "ls-remote", "--heads", project.clone_url, timeout=TIMEOUT)
        pairs = (line.split("\t", 1) for line in listed.splitlines())
        return {ref.removeprefix("refs/heads/"): revision for revision, ref in pairs}

    def set_status(
        self, project: Project, revision: str, ref: str, name: str, state: CommitState, description: str, url: str
    ) -> None:
        """Report to the commit; what GitLab refuses for good is logged and taken as told."""
        import requests
        from gitlab.exceptions import GitlabError

        status = {
            "state": state.value,
            "name": name,
            "ref": ref.removeprefix("refs/heads/"),
            "description": description[:DESCRIPTION_LIMIT],
            "target_url": url,
        }
        try:
            commit = self._api(project).projects.get(project.forge_project, lazy=True).commits.get(revision, lazy=True)
            commit.statuses.create(status, obey_rate_limit=False)
        except GitlabError as error:
            _judge(error, project, revision, name)
        except requests.RequestException as error:
            raise Transient(f"{project.forge_url} does not answer ({type(error).__name__})", retry_after=5) from error

    def _api(self, project: Project) -> gitlab.Gitlab:
        import gitlab

        # Waiting for a rate limit is the status writer's business: python-gitlab would sleep in our thread.
        return gitlab.Gitlab(project.forge_url, private_token=project.token, timeout=TIMEOUT)

    def _path(self, project: Project) -> Path:
        return self._root / f"{project.name}.git"


def _judge(error: GitlabError, project: Project, revision: str, name: str) -> None:
    """Raise what the caller can act on, or return when the answer is an outcome."""
    code = error.response_code or 0
    if code in _FINAL:
        log.info("status refused for good", project=project.name, revision=revision, name=name, code=code)
        return
    if code in (401, 403, 404):
        raise Rejected(
            f"{project.forge_url} refuses statuses of {project.forge_project}: {code}",
            field="token",
            remedy="give the project a token with the api scope",
        ) from error
    raise Transient(f"{project.forge_url} answered {code}", retry_after=5) from error


def _git(project: Project, *arguments: str, where: Path | None = None, timeout: float = FETCH_TIMEOUT) -> str:
    """Run Git as the token's owner; says so when the token is refused."""
    try:
        return git(*arguments, where=where, env=_credentials(project), timeout=timeout)
    except Transient as error:
        if not any(words in error.message for words in _DENIED):
            raise
        message = f"{project.clone_url} may not be read with the project's token (scope read_repository)"
        raise Transient(message, retry_after=error.retry_after) from error


def _credentials(project: Project) -> dict[str, str]:
    """Return the environment that lets Git read as the token's owner, and as nobody else: no helper, no question."""
    if not project.token or not project.clone_url.startswith(("http://", "https://")):
        return {}
    secret = base64.b64encode(f"oauth2:{project.token}".encode()).decode()
    return {
        "GIT_ASKPASS": "",
        "GIT_CONFIG_COUNT": "2",
        "GIT_CONFIG_KEY_0": f"http.{project.clone_url}.extraHeader",
        "GIT_CONFIG_VALUE_0": f"Authorization: Basic {secret}",
        "GIT_CONFIG_KEY_1": "credential.helper",
        "GIT_CONFIG_VALUE_1": "",
    }
