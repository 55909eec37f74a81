"""One job from a revision in a real repository to an artifact, and all the ways in which it can go wrong."""

from __future__ import annotations

import os
import subprocess
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from pipelines.artifacts import ArtifactStore
from pipelines.errors import Broken, NotFound
from pipelines.git import Git
from pipelines.plans import content_key
from pipelines.runner import JobRequest, JobResult, run_job
from pipelines.runs import JobState
from pipelines.specs import CommandSpec, ServiceSpec

pytestmark = pytest.mark.integration

ENVIRONMENT = {
    "GIT_AUTHOR_NAME": "Test",
    "GIT_AUTHOR_EMAIL": "test@example.org",
    "GIT_COMMITTER_NAME": "Test",
    "GIT_COMMITTER_EMAIL": "test@example.org",
    "GIT_CONFIG_GLOBAL": os.devnull,
    "PATH": os.environ["PATH"],
}
FILES = {"services/shop/main.txt": "hello", "services/shop/notes.md": "no", "shared/words.txt": "shared", "other": "x"}


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    place = tmp_path / "repository"
    for name, text in FILES.items():
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        (place / name).write_text(text)
    for arguments in (["init", "-q", "-b", "main"], ["add", "-A"], ["commit", "-q", "-m", "one"]):
        subprocess.run(["git", *arguments], cwd=place, env=ENVIRONMENT, check=True)
    return place


@pytest.fixture
def store(tmp_path: Path) -> ArtifactStore:
    return ArtifactStore(tmp_path / "state")


def request(repository: Path, build: str = "", test: str = "", timeout: float = 20.0) -> JobRequest:
    service = ServiceSpec(
        name="shop",
        path="services/shop",
        watch=("/services/shop/**", "shared/**", "!*.md"),
        build=CommandSpec(build, timeout) if build else None,
        test=CommandSpec(test, timeout) if test else None,
    )
    git = Git(repository)
    revision = git.commit("main")
    key = content_key(service, git.tree(revision))
    return JobRequest(repository, revision, service, key, repository.parent / "job.log")


def logged(job: JobRequest) -> str:
    return job.log.read_text()


def test_the_artifact_is_the_tree_after_the_build(repository: Path, store: ArtifactStore) -> None:
    job = request(
        repository, "cp ../../shared/words.txt . && echo built > out.txt", "touch left-by-test && cat out.txt"
    )
    result = run_job(job, store)
    assert result.state is JobState.SUCCEEDED
    place = store.artifact_path(result.artifact)
    assert sorted(path.name for path in place.iterdir()) == ["main.txt", "out.txt", "words.txt"]
    assert store.find_artifact(job.key) == result.artifact
    assert "built" in logged(job)
    assert not list((repository.parent / "state" / "builds" / "work").iterdir())


def test_the_build_sees_what_is_watched_and_nothing_else(repository: Path, store: ArtifactStore) -> None:
    job = request(repository, "ls -R ../.. > /dev/stderr; [ ! -e ../../other ] && [ ! -e notes.md ]")
    assert run_job(job, store).state is JobState.SUCCEEDED, logged(job)


def test_without_commands_the_files_are_the_artifact(repository: Path, store: ArtifactStore) -> None:
    result = run_job(request(repository), store)
    assert (store.artifact_path(result.artifact) / "main.txt").read_text() == "hello"


def test_equal_content_is_built_once(repository: Path, store: ArtifactStore) -> None:
    job = request(repository, "date +%N > stamp")
    first, second = run_job(job, store), run_job(job, store)
    assert (first.reused, second.reused) == (False, True)
    assert first.artifact == second.artifact


def test_two_workers_at_once_build_it_once(repository: Path, store: ArtifactStore, tmp_path: Path) -> None:
    job = request(repository, f"echo run >> {tmp_path}/runs; sleep 0.5; date +%N > stamp")
    results: list[JobResult] = []
    threads = [
        threading.Thread(target=lambda name=name: results.append(run_job(replace(job, log=tmp_path / name), store)))
        for name in ("one.log", "two.log")
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (tmp_path / "runs").read_text() == "run\n"
    assert len({result.artifact for result in results}) == 1
    assert sorted(result.reused for result in results) == [False, True]


def test_a_failing_build_is_a_value_with_its_last_words(repository: Path, store: ArtifactStore) -> None:
    job = request(repository, "echo 'Error: no such module' >&2; exit 2")
    result = run_job(job, store)
    assert result.state is JobState.FAILED
    assert result.message == "the build of shop failed with status 2; its last words: Error: no such module"
    assert result.message in logged(job)
    assert store.find_artifact(job.key) is None


def test_a_failing_test_keeps_no_artifact(repository: Path, store: ArtifactStore) -> None:
    job = request(repository, "true", "false")
    assert run_job(job, store).message == "the test of shop failed with status 1"
    assert store.find_artifact(job.key) is None


def test_a_hanging_build_names_the_limit_and_where_to_change_it(repository: Path, store: ArtifactStore) -> None:
    result = run_job(request(repository, "sleep 300", timeout=0.5), store)
    assert result.state is JobState.FAILED
    assert "time limit of 0.5 s" in result.message
    assert "services.shop.build.timeout in colorlane.yaml" in result.message


def test_cancel_while_running_and_before(repository: Path, store: ArtifactStore) -> None:
    job = request(repository, "echo started; sleep 300")
    result = run_job(job, store, keep_going=lambda: "started\n" not in logged(job).replace("echo started", ""))
    assert (result.state, result.seconds < 10) == (JobState.CANCELED, True)
    assert run_job(job, store, keep_going=lambda: False).state is JobState.CANCELED


def test_a_worker_that_waits_for_another_can_be_canceled(repository: Path, store: ArtifactStore) -> None:
    job = request(repository, "true")
    with store.building(job.key):
        result = run_job(job, store, keep_going=lambda: "waiting for it" not in logged(job))
    assert result.state is JobState.CANCELED


def test_an_unfit_tree_is_a_failed_build(repository: Path, store: ArtifactStore) -> None:
    result = run_job(request(repository, "ln -s /etc/passwd link"), store)
    assert result.state is JobState.FAILED
    assert "leads outside" in result.message


def test_an_unknown_revision_and_a_wrong_key_raise(repository: Path, store: ArtifactStore) -> None:
    job = request(repository, "true")
    with pytest.raises(NotFound):
        run_job(replace(job, revision="0" * 40), store)
    with pytest.raises(Broken):
        run_job(replace(job, key="f" * 64), store)
