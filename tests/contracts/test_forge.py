"""The forge's contract, on the embedded host, on GitLab (a small server on its real paths)."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from delivery.adapters.forge_embedded import EmbeddedForge
from delivery.adapters.forge_gitlab import GitlabForge
from delivery.errors import Rejected, Transient
from delivery.ports.forge import CommitState, Forge
from delivery.projects import Project
from tests.fakes.gitlab_server import TOKEN, FakeGitlab
from tests.fakes.repositories import Workspace, git


@dataclass
class Host:
    """A host with a project, and the checkout that pushes to it."""

    forge: Forge
    project: Project
    work: Workspace
    push: Callable[..., None]
    gitlab: FakeGitlab | None = None


@pytest.fixture(params=["embedded", "gitlab"])
def host(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Host]:
    if request.param == "embedded":
        forge: Any = EmbeddedForge(tmp_path / "git")
        project = Project("shop", "shop.localhost")
        forge.prepare(project)
        work = Workspace(tmp_path / "work", str(tmp_path / "git" / "shop.git"))
        yield Host(forge, project, work, work.push)
        return
    yield from gitlab_host(tmp_path)


def gitlab_host(tmp_path: Path) -> Iterator[Host]:
    remote = tmp_path / "served" / "team" / "shop.git"
    remote.mkdir(parents=True)
    git(remote, "init", "--quiet", "--bare", "--initial-branch=main")
    work = Workspace(tmp_path / "work", str(remote))

    with FakeGitlab(tmp_path / "served") as gitlab:
        url = f"{gitlab.url}/team/shop.git"
        project = Project("shop", "shop.localhost", "main", "gitlab", url, gitlab.url, "team/shop", token=TOKEN)
        forge = GitlabForge(tmp_path / "git")
        forge.prepare(project)
        yield Host(forge, project, work, work.push, gitlab)


def test_heads_are_the_branches_as_the_host_states_them(host: Host) -> None:
    first = host.work.commit(a="1")
    host.push("main", "main:refs/heads/feature/ÄÖ_x", "main:refs/tags/v1")
    assert host.forge.heads(host.project) == {"main": first, "feature/ÄÖ_x": first}
    second = host.work.commit(a="2")
    host.push("main", ":refs/heads/feature/ÄÖ_x")
    assert host.forge.heads(host.project) == {"main": second}


def test_repository_has_every_commit_and_follows_forced_pushes(host: Host) -> None:
    for message in ("first", "second"):
        commit = host.work.commit(message, a=message)
        host.push("main")
        repository = host.forge.repository(host.project)
        assert git(repository, "show", f"{commit}:a") == message
    git(host.work.path, "reset", "--quiet", "--hard", "HEAD~1")
    other = host.work.commit("other", a="other")
    host.push("main")
    assert git(host.forge.repository(host.project), "rev-parse", "refs/heads/main") == other


def test_what_is_there_is_not_fetched_again(gitlab: Host) -> None:
    assert gitlab.gitlab
    commit = gitlab.work.commit(a="1")
    gitlab.push("main")
    gitlab.forge.repository(gitlab.project, commit)
    gitlab.gitlab.away = True
    repository = gitlab.forge.repository(gitlab.project, commit)
    assert git(repository, "show", f"{commit}:a") == "1"
    for revision in ("", "0" * 40):
        with pytest.raises(Transient):
            gitlab.forge.repository(gitlab.project, revision)


def test_deleted_branches_leave_the_repository(host: Host) -> None:
    host.work.commit(a="1")
    host.push("main", "main:refs/heads/gone")
    host.forge.repository(host.project)
    host.push(":refs/heads/gone")
    repository = host.forge.repository(host.project)
    assert git(repository, "for-each-ref", "--format=%(refname)") == "refs/heads/main"


def test_status_may_be_told_twice(host: Host) -> None:
    commit = host.work.commit(a="1")
    host.push("main")
    for _ in range(2):
        host.forge.set_status(
            host.project, commit, "refs/heads/main", "colorlane", CommitState.SUCCESS, "fine", "http://x/"
        )
    if host.gitlab is not None:
        assert host.gitlab.told[-1] == {
            "project": "team/shop",
            "sha": commit,
            "state": "success",
            "name": "colorlane",
            "ref": "main",
            "description": "fine",
            "target_url": "http://x/",
        }


def test_repository_is_made_again_and_forgotten(host: Host) -> None:
    host.work.commit(a="1")
    host.push("main")
    repository = host.forge.repository(host.project)
    host.forge.prepare(host.project)
    assert git(repository, "cat-file", "-t", "refs/heads/main") == "commit"
    host.forge.forget(host.project)
    assert not repository.exists()


@pytest.fixture
def gitlab(tmp_path: Path) -> Iterator[Host]:
    yield from gitlab_host(tmp_path)


def tell(host: Host, name: str) -> None:
    host.forge.set_status(host.project, "0" * 40, "refs/heads/main", name, CommitState.RUNNING, "d" * 999, "http://x/")


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (400, {"message": "Cannot transition status via :run from :running"}),
        (422, {"message": {"base": ["The number of jobs has exceeded the limit"]}}),
    ],
)
def test_what_gitlab_refuses_for_good_is_an_outcome(gitlab: Host, status: int, body: dict[str, Any]) -> None:
    assert gitlab.gitlab
    gitlab.gitlab.answers["colorlane"] = (status, body)
    tell(gitlab, "colorlane")
    assert gitlab.gitlab.told == []


@pytest.mark.parametrize("status", [409, 429, 500, 502])
def test_what_may_pass_is_tried_later(gitlab: Host, status: int) -> None:
    assert gitlab.gitlab
    gitlab.gitlab.answers["colorlane"] = (status, {"message": "later"})
    with pytest.raises(Transient):
        tell(gitlab, "colorlane")
    tell(gitlab, "colorlane")
    assert len(gitlab.gitlab.told[0]["description"]) == 255


def test_wrong_token_names_the_remedy(gitlab: Host) -> None:
    host = Host(gitlab.forge, Project(**{**vars(gitlab.project), "token": "wrong"}), gitlab.work, gitlab.push)
    with pytest.raises(Rejected) as refused:
        tell(host, "colorlane")
    assert refused.value.field == "token"
    for look in (host.forge.heads, host.forge.repository):
        with pytest.raises(Transient, match="may not be read with the project's token"):
            look(host.project)


def test_host_that_is_away_is_transient(gitlab: Host) -> None:
    away = Project(
        **{**vars(gitlab.project), "forge_url": "http://127.0.0.1:9", "clone_url": "http://127.0.0.1:9/x.git"}
    )
    host = Host(gitlab.forge, away, gitlab.work, gitlab.push)
    with pytest.raises(Transient):
        tell(host, "colorlane")
    with pytest.raises(Transient):
        host.forge.heads(away)
    with pytest.raises(Transient):
        host.forge.repository(away)


def test_token_is_in_no_argument_and_in_no_file(gitlab: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    commands: list[list[str]] = []
    run = subprocess.run

    def spy(command: list[str], **options: Any) -> Any:
        commands.append(command)
        return run(command, **options)

    gitlab.work.commit(a="1")
    gitlab.push("main")
    monkeypatch.setattr(subprocess, "run", spy)
    repository = gitlab.forge.repository(gitlab.project)
    gitlab.forge.heads(gitlab.project)
    assert commands
    assert not [command for command in commands if TOKEN in " ".join(command)]
    assert not [path for path in repository.rglob("*") if path.is_file() and TOKEN.encode() in path.read_bytes()]
