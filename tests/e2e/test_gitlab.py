"""A repository on GitLab, end to end: real Git over HTTP, the real paths of the API, webhooks as GitLab sends them."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
import subprocess
import sysconfig
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from delivery.demo.doors import Doors, Row, wait_for
from delivery.embedded import Stack
from tests.e2e.conftest import SPEC, Repository, Running, settings_in
from tests.fakes.gitlab_server import TOKEN, FakeGitlab

pytestmark = [pytest.mark.e2e, pytest.mark.xdist_group("e2e")]

NOBODY = "0" * 40
PLAIN = "a plain secret"
SIGNING = "whsec_" + base64.b64encode(b"k" * 32).decode()
INSTANT = SPEC.replace("strategy: quick", "strategy: instant")


@dataclass
class Hub:
    """A project on GitLab: a working copy that pushes to it, and the webhooks GitLab would send."""

    name: str
    repository: Repository
    gitlab: FakeGitlab
    api: str

    def push(self, branch: str, **changed: str) -> str:
        """Push to GitLab; no webhook is sent."""
        return self.repository.push(branch, **changed)

    def tell(self, branch: str, after: str, before: str = NOBODY, key: str = "", **headers: str) -> httpx.Response:
        """Send the push event with the plain token; `headers` are added or replace, with "_" for "-"."""
        body = self.event(branch, before, after)
        proof = {"x-gitlab-token": PLAIN} | {name.replace("_", "-"): value for name, value in headers.items()}
        return self.post(body, {"idempotency-key": key or str(uuid.uuid4()), **proof})

    def tell_signed(self, branch: str, after: str, secret: str = SIGNING, age: float = 0) -> httpx.Response:
        """Send the push event, signed (Standard Webhooks: HMAC-SHA256 over id, timestamp and body)."""
        body, id, at = self.event(branch, NOBODY, after), str(uuid.uuid4()), str(int(time.time() - age))
        key = base64.b64decode(secret.removeprefix("whsec_"))
        mark = base64.b64encode(hmac.digest(key, f"{id}.{at}.".encode() + body, hashlib.sha256)).decode()
        return self.post(body, {"webhook-id": id, "webhook-timestamp": at, "webhook-signature": f"v1,{mark}"})

    def event(self, branch: str, before: str, after: str) -> bytes:
        """Return GitLab's push event (docs.gitlab.com, webhook events), with what Colorlane must not rely on."""
        payload: dict[str, Any] = {
            "object_kind": "push",
            "event_name": "push",
            "ref": f"refs/heads/{branch}",
            "before": before,
            "after": after,
            "checkout_sha": None if after == NOBODY else after,
            "user_username": "alice",
            "user_email": "[REDACTED]",
            "project_id": 15,
            "project": {"id": 15, "path_with_namespace": f"team/{self.name}", "default_branch": "main"},
            "commits": [],
            "total_commits_count": 0,
        }
        return json.dumps(payload).encode()

    def post(self, body: bytes, headers: dict[str, str]) -> httpx.Response:
        """Send a request to the webhook."""
        url = f"{self.api}/webhooks/gitlab?project={self.name}"
        return httpx.post(url, content=body, headers={"x-gitlab-event": "Push Hook", **headers}, trust_env=False)

    def ended(self, revision: str) -> Row:
        """Wait for the commit's run to end."""
        return self.repository.ended(revision)

    def states_when_ended(self, revision: str, last: str) -> list[str]:
        """Wait until GitLab was told the last state; return all it was told about the run."""
        wait_for(f"GitLab to be told {last}", lambda: self.gitlab.states(revision)[-1:] == [last], 20)
        return self.gitlab.states(revision)

    def runs(self, revision: str) -> list[Row]:
        """Return the runs of a commit."""
        rows = self.repository.doors.items("runs", project=self.name, limit=100)
        return [row for row in rows if row["revision"] == revision]


def hub_on(gitlab: FakeGitlab, api: str, directory: Path, name: str) -> Hub:
    """Make an empty repository on GitLab and register it by the command line, as the page on webhooks says."""
    remote = gitlab.repositories / "team" / f"{name}.git"
    repository = Repository(directory, name, Doors(api))
    for where, bare in ((remote, ["--bare"]), (directory, [])):
        where.mkdir(parents=True, exist_ok=True)
        subprocess.run(["git", "init", "-q", "-b", "main", *bare, str(where)], check=True)
    repository.git("remote", "add", "origin", str(remote))
    repository.files["colorlane.yaml"] = INSTANT
    (directory.parent / "token").write_text(f"{TOKEN}\n")
    (directory.parent / "secret").write_text(f"{SIGNING}, {PLAIN}\n")
    done = subprocess.run(
        [
            *(str(Path(sysconfig.get_path("scripts")) / "colorlane"), "project", "add", name, "--forge", "gitlab"),
            *("--forge-url", gitlab.url, "--forge-project", f"team/{name}"),
            *("--clone-url", f"{gitlab.url}/team/{name}.git"),
            *("--token-file", str(directory.parent / "token")),
            *("--webhook-secret-file", str(directory.parent / "secret")),
        ],
        env=os.environ | {"COLORLANE_API_URL": api, "NO_PROXY": "*"},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert f"/webhooks/gitlab?project={name}" in done.stdout.replace("\n", "")
    assert TOKEN not in done.stdout
    return Hub(name, repository, gitlab, api)


@pytest.fixture(scope="module")
def gitlab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FakeGitlab]:
    with FakeGitlab(tmp_path_factory.mktemp("served")) as gitlab:
        yield gitlab


@pytest.fixture(scope="module")
def hub(running: Running, gitlab: FakeGitlab, tmp_path_factory: pytest.TempPathFactory) -> Hub:
    """A project whose first version serves, brought by a signed webhook."""
    hub = hub_on(gitlab, running.api, tmp_path_factory.mktemp("hub") / "work", "hub")
    # It is looked at when it is registered and when the sweeper first sees it; after that only webhooks tell of it.
    wait_for("the first looks", lambda: sum("team/hub.git/info/refs" in line for line in gitlab.requests) >= 2, 20)
    first = hub.push("main")
    answer = hub.tell_signed("main", first)
    assert answer.status_code == 202, answer.text
    run = hub.ended(first)
    assert run["state"] == "succeeded", run["message"]
    return hub


def page(running: Running, host: str) -> str:
    """Ask the gateway."""
    return httpx.get(f"{running.gateway}/", headers={"host": host}, trust_env=False, timeout=10).text


def test_signed_webhook_brings_the_first_version(running: Running, hub: Hub) -> None:
    [run] = running.doors.items("runs", project="hub")
    assert page(running, "hub.localhost") == "one\n"
    states = hub.states_when_ended(run["revision"], "success")
    assert states in (["pending", "running", "success"], ["running", "success"])  # quick ones are told as one
    [delivery] = running.doors.items("deliveries", project="hub")
    assert (delivery["state"], delivery["run"]) == ("processed", run["id"])
    assert run["author"] == "alice"


def test_branch_with_plain_token_is_served_at_its_url_until_it_is_deleted(running: Running, hub: Hub) -> None:
    commit = hub.push("topic", **{"echo/text.txt": "topic\n"})
    assert hub.tell("topic", commit).status_code == 202
    run = hub.ended(commit)
    assert run["state"] == "succeeded", run["message"]
    environment = running.doors.environment("hub", "topic")
    assert environment is not None
    assert httpx.URL(environment["url"]).host == "topic.hub.localhost"
    assert page(running, "topic.hub.localhost") == "topic\n"
    assert page(running, "hub.localhost") == "one\n"
    hub.states_when_ended(commit, "success")

    hub.repository.git("push", "-q", "origin", ":refs/heads/topic")
    assert hub.tell("topic", NOBODY, before=commit).status_code == 202
    wait_for("the environment to be gone", lambda: running.doors.environment("hub", "topic") is None, 30)
    assert page(running, "topic.hub.localhost") == "one\n"


def test_bad_file_fails_the_commit_and_says_where(hub: Hub) -> None:
    commit = hub.push("typo", **{"colorlane.yaml": INSTANT.replace("entry: echo", "entry: ehco")})
    hub.repository.files["colorlane.yaml"] = INSTANT
    assert hub.tell("typo", commit).status_code == 202
    assert hub.ended(commit)["state"] == "failed"
    hub.states_when_ended(commit, "failed")
    last = [told for told in hub.gitlab.told if told["sha"] == commit][-1]
    assert "colorlane.yaml:1: entry" in last["description"]
    assert last["target_url"].startswith("http://localhost:")
    assert last["ref"] == "typo"


def test_repeated_delivery_is_one_run(running: Running, hub: Hub) -> None:
    commit = hub.push("again", **{"echo/text.txt": "again\n"})
    answers = [hub.tell("again", commit, key="same-event").json() for _ in range(3)]
    assert [answer["duplicate"] for answer in answers] == [False, True, True]
    hub.ended(commit)
    assert hub.tell("again", commit, key="same-event").json()["state"] == "processed"
    other = hub.tell("again", commit, key="sent-by-hand").json()["delivery"]

    def looked_at() -> Row | None:
        row = running.doors.get(f"deliveries/{other}")
        return row if row and row["state"] != "received" else None

    assert wait_for("the other delivery", looked_at, 20)["state"] == "ignored"
    assert len(hub.runs(commit)) == 1


def test_unproven_requests_leave_no_trace(running: Running, hub: Hub) -> None:
    before = running.doors.items("deliveries", project="hub", limit=100)
    forged = "whsec_" + base64.b64encode(b"x" * 32).decode()
    commit = "f" * 40
    for answer in (
        hub.tell("forged", commit, x_gitlab_token="wrong"),
        hub.tell("forged", commit, x_gitlab_token=""),
        hub.tell_signed("forged", commit, secret=forged),
        hub.tell_signed("forged", commit, age=600),
        hub.tell_signed("forged", commit, age=-600),
    ):
        assert answer.status_code == 401, answer.text
        assert answer.headers["content-type"].startswith("application/problem+json")
        assert PLAIN not in answer.text
        assert SIGNING not in answer.text
    assert running.doors.items("deliveries", project="hub", limit=100) == before
    assert hub.runs(commit) == []


def test_host_that_is_away_delays_feedback_and_nothing_else(running: Running, hub: Hub, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    command = f"touch {gate}.waits; while [ ! -e {gate} ]; do sleep 0.05; done"
    spec = INSTANT.replace("path: echo", f'path: echo\n    build: {{command: "{command}"}}')
    commit = hub.push("main", **{"colorlane.yaml": spec, "echo/text.txt": "two\n"})
    hub.repository.files["colorlane.yaml"] = INSTANT
    assert hub.tell("main", commit).status_code == 202
    wait_for("the build", Path(f"{gate}.waits").exists, 30)
    wait_for("GitLab to know that it runs", lambda: hub.gitlab.states(commit)[-1:] == ["running"], 20)
    hub.gitlab.away = True
    try:
        gate.touch()
        assert hub.ended(commit)["state"] == "succeeded"
        assert page(running, "hub.localhost") == "two\n"
        assert "success" not in hub.gitlab.states(commit)
    finally:
        hub.gitlab.away = False
    assert hub.states_when_ended(commit, "success")[-2:] == ["running", "success"]


def test_one_writer_tells_every_state_once(hub: Hub) -> None:
    """GitLab never had to refuse one: no repeat, no step back, no two writers at a time."""
    assert hub.gitlab.told
    assert hub.gitlab.refused == []


def test_token_travels_by_header_and_stays_nowhere_else(running: Running, hub: Hub) -> None:
    assert set(hub.gitlab.credentials) == {"Basic " + base64.b64encode(f"oauth2:{TOKEN}".encode()).decode()}
    secrets = (TOKEN, PLAIN, SIGNING, hub.gitlab.credentials[0].partition(" ")[2])
    assert not [line for line in hub.gitlab.requests if any(secret in line for secret in secrets)]
    paths = ("projects", "projects/hub", "deliveries", "runs", "environments", "rollouts", "audit")
    said = {path: running.doors.http.get(f"/api/v1/{path}").text for path in paths}
    state = running.settings.state_dir
    files = [path for path in state.rglob("*") if path.is_file() and not path.name.startswith("colorlane.db")]
    said |= {str(path): path.read_bytes().decode("latin-1") for path in files}
    assert any("worker-control" in place for place in said)
    assert [place for place, text in said.items() for secret in secrets if secret in text] == []


def test_what_no_webhook_told_is_found(gitlab: FakeGitlab, tmp_path: Path) -> None:
    """A push and a deletion whose webhooks never came, on a stack that looks at remote hosts every second."""
    settings = settings_in(tmp_path / "state", remote_detect_interval=1)
    stack = Stack(settings)
    try:
        stack.start(lambda event: None)
        hub = hub_on(gitlab, f"http://127.0.0.1:{settings.api_port}", tmp_path / "work", "quiet")
        doors = hub.repository.doors
        assert hub.ended(hub.push("main"))["state"] == "succeeded"
        commit = hub.push("topic", **{"echo/text.txt": "topic\n"})
        assert hub.ended(commit)["state"] == "succeeded"
        assert hub.states_when_ended(commit, "success")
        assert doors.environment("quiet", "topic") is not None
        hub.repository.git("push", "-q", "origin", ":refs/heads/topic")
        wait_for("the environment to be gone", lambda: doors.environment("quiet", "topic") is None, 30)
    finally:
        stack.stop()
