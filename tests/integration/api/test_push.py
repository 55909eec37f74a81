"""The API process's own parts: real store, real repositories, real Git: a push becomes a run and says so."""

from __future__ import annotations

import json
import subprocess
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import httpx
import pytest

from delivery.asgi import assemble
from delivery.bootstrap import Colorlane, build
from delivery.cli.watch import events
from delivery.flows.process_delivery import process_delivery
from delivery.settings import Settings
from tests.integration.githost.conftest import Server, git

__all__ = ["git"]

pytestmark = pytest.mark.integration
Git = Callable[..., subprocess.CompletedProcess[str]]


@dataclass
class Up:
    """The served API and its parts."""

    url: str
    parts: Colorlane

    def get(self, path: str, **query: object) -> httpx.Response:
        return httpx.get(f"{self.url}{path}", params={k: str(v) for k, v in query.items()}, trust_env=False)

    def post(self, path: str, **body: object) -> httpx.Response:
        return httpx.post(f"{self.url}{path}", json=body, trust_env=False)


@pytest.fixture
def up(tmp_path: Path) -> Iterator[Up]:
    settings = Settings(state_dir=tmp_path / "state", redis_url="redis://127.0.0.1:1/0", api_token="", api_port=8000)
    parts = build(settings)

    def wake(task: str, id: str) -> None:
        """Stand in for the control worker."""
        if task == "process_delivery":
            threading.Thread(target=process_delivery, args=(parts, id), daemon=True).start()

    with Server(assemble(replace(parts, wake=wake))) as server:
        yield Up(server.url, parts)


@pytest.fixture
def work(git: Git, tmp_path: Path) -> Path:
    git("init", "-q", "-b", "main", "work")
    (tmp_path / "work" / "a.txt").write_text("a")
    git("add", "-A", cwd=tmp_path / "work")
    git("commit", "-q", "-m", "first", cwd=tmp_path / "work")
    return tmp_path / "work"


def test_a_push_becomes_a_run_and_says_so(up: Up, git: Git, work: Path) -> None:
    assert up.post("/api/v1/projects", name="shop").status_code == 201
    pushed = git("push", f"{up.url}/git/shop.git", "main", cwd=work)
    assert "Colorlane: main -> run 1" in pushed.stderr
    assert "/#/runs/shop.1" in pushed.stderr
    run = up.get("/api/v1/runs/shop.1").json()
    assert run["revision"] == git("rev-parse", "HEAD", cwd=work).stdout.strip()
    deliveries = up.get("/api/v1/deliveries", project="shop").json()["items"]
    assert [(row["state"], row["run"]) for row in deliveries] == [("processed", "shop.1")]
    kinds = [event["kind"] for event in up.get("/api/v1/audit", project="shop").json()["items"]]
    assert "run.queued" in kinds


def test_a_second_push_of_the_same_is_no_news(up: Up, git: Git, work: Path) -> None:
    up.post("/api/v1/projects", name="shop")
    url = f"{up.url}/git/shop.git"
    git("push", url, "main", cwd=work)
    git("push", url, "main", cwd=work)
    assert len(up.get("/api/v1/runs").json()["items"]) == 1


def test_a_repository_that_is_not_registered(up: Up, git: Git, work: Path) -> None:
    refused = git("push", f"{up.url}/git/nobody.git", "main", cwd=work, check=False)
    assert refused.returncode != 0
    assert "not found" in refused.stderr


def test_events_are_live(up: Up) -> None:
    with httpx.stream("GET", f"{up.url}/api/v1/events", trust_env=False, timeout=20) as stream:
        lines = stream.iter_lines()
        assert next(lines).startswith("retry:")
        up.post("/api/v1/projects", name="shop", by="ada")
        kind, event = next(events(lines))
    assert (kind, event["kind"], event["actor"]) == ("event", "project.registered", "ada")


def test_the_page_and_its_parts_are_served(up: Up) -> None:
    page = up.get("/").text
    assert '<script type="module" src="/static/app.js">' in page
    for name in ("app.js", "views.js", "parts.js", "base.css", "parts.css", "icon.svg", "docs.js"):
        assert up.get(f"/static/{name}").status_code == 200, name
    assert up.get("/docs").status_code == 200
    assert json.loads(up.get("/openapi.json").text)["info"]["title"] == "Colorlane"


def test_secrets_survive_the_store_and_never_come_out(up: Up) -> None:
    made = up.post(
        "/api/v1/projects", name="hooked", forge="gitlab", clone_url="http://127.0.0.1:9/g/h.git",
        forge_url="http://127.0.0.1:9", forge_project="g/h", token="glpat-secret", webhook_secret="hush",
    )  # fmt: skip
    assert made.status_code == 201, made.text
    for text in (made.text, up.get("/api/v1/projects").text, up.get("/api/v1/audit").text):
        assert "glpat" not in text
        assert "hush" not in text
    assert up.parts.store.projects.get("hooked").webhook_secret == "hush"


def test_an_open_bind_without_a_token_does_not_start(tmp_path: Path) -> None:
    import os
    import sys

    environment = {**os.environ, "COLORLANE_API_HOST": "0.0.0.0", "COLORLANE_STATE_DIR": str(tmp_path / "s")}
    environment.pop("COLORLANE_API_TOKEN", None)
    argv = [sys.executable, "-P", "-m", "delivery", "api"]
    done = subprocess.run(argv, env=environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == 2
    assert "COLORLANE_API_TOKEN" in done.stderr
    assert not (tmp_path / "s").exists()
