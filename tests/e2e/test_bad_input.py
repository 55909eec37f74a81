"""Bad input at every door: a clear error that names field, value and remedy; nothing lost, nothing half-applied."""

from __future__ import annotations

import time
from pathlib import Path

import httpx
import pytest

from delivery.demo.doors import wait_for
from delivery.demo.load import parse_receipt
from tests.e2e.conftest import MANIFESTS, SPEC, Repository, Running

pytestmark = [pytest.mark.e2e, pytest.mark.xdist_group("e2e")]


@pytest.fixture(scope="module")
def echo(running: Running, tmp_path_factory: pytest.TempPathFactory) -> Repository:
    """A project that already serves its first version in production."""
    repository = running.repository(tmp_path_factory.mktemp("echo"), "echo")
    run = repository.ended(repository.push())
    assert run["state"] == "succeeded", run["message"]
    return repository


def page(running: Running, host: str) -> httpx.Response:
    """Ask the gateway."""
    return httpx.get(f"{running.gateway}/", headers={"host": host}, trust_env=False, timeout=10)


def test_invalid_colorlane_yaml_names_line_field_and_remedy(running: Running, echo: Repository) -> None:
    bad = SPEC.replace("path: echo", "path: echo\n    biuld: {command: make}")
    run = echo.ended(echo.push("invalid-spec", **{"colorlane.yaml": bad}))
    echo.files["colorlane.yaml"] = SPEC
    assert run["state"] == "failed"
    assert "colorlane.yaml:6" in run["message"]
    assert "biuld" in run["message"]
    assert "build" in run["message"]
    statuses = running.doors.statuses("echo", run["revision"])
    assert [status["state"] for status in statuses] == ["failed"]
    assert page(running, "echo.localhost").text == "one\n"


def test_manifests_that_kustomize_refuses(echo: Repository) -> None:
    run = echo.ended(echo.push("refused", **{"k8s/kustomization.yaml": "resources: [gone.yaml]\n"}))
    echo.files["k8s/kustomization.yaml"] = "resources: [echo.yaml]\n"
    assert run["state"] == "failed"
    assert "gone.yaml" in run["message"]


def test_a_service_that_selects_nothing(echo: Repository) -> None:
    broken = MANIFESTS.replace("selector: {app: echo}\n  ports", "selector: {app: other}\n  ports")
    run = echo.ended(echo.push("selects-nothing", **{"k8s/echo.yaml": broken}))
    echo.files["k8s/echo.yaml"] = MANIFESTS
    assert run["state"] == "failed"
    assert "select" in run["message"]
    assert "echo" in run["message"]


@pytest.mark.parametrize(
    ("branch", "command", "expected"),
    [
        ("build-fails", "echo compiling; echo no such symbol; exit 3", ["status 3", "no such symbol"]),
        ("build-hangs", "sleep 600 & sleep 600", ["timeout"]),
    ],
)
def test_a_build_that_ends_badly(echo: Repository, branch: str, command: str, expected: list[str]) -> None:
    spec = SPEC.replace("path: echo", f'path: echo\n    build: {{command: "{command}", timeout: 2s}}')
    run = echo.ended(echo.push(branch, **{"colorlane.yaml": spec}))
    echo.files["colorlane.yaml"] = SPEC
    assert run["state"] == "failed"
    for word in expected:
        assert word in run["message"]


def test_a_build_that_prints_100_megabytes(running: Running, echo: Repository) -> None:
    command = "head -c 100000000 /dev/zero | tr '\\\\0' x | fold -w 1000; echo done-printing"
    spec = SPEC.replace("path: echo", f'path: echo\n    build: {{command: "{command}", timeout: 60s}}')
    run = echo.ended(echo.push("prints", **{"colorlane.yaml": spec}), 120)
    echo.files["colorlane.yaml"] = SPEC
    assert run["state"] == "succeeded", run["message"]
    log = httpx.get(f"{running.api}/api/v1/runs/{run['id']}/logs", trust_env=False, timeout=30).text
    jobs = running.doors.items(f"runs/{run['id']}/jobs")
    assert "done-printing" in log, (run, jobs, list((running.settings.state_dir / "logs" / "runs").rglob("*")))
    assert len(log) < 20_000_000


def test_a_process_that_never_becomes_ready_is_rolled_back_by_deadline(running: Running, echo: Repository) -> None:
    never = "import time\nprint('warming up for ever', flush=True)\ntime.sleep(600)\n"
    good = echo.files["echo/server.py"]
    run = echo.ended(echo.push("main", **{"echo/server.py": never}))
    echo.files["echo/server.py"] = good
    assert run["state"] == "failed"
    rollout = running.doors.rollout_of("echo", run["revision"], "echo")
    assert rollout is not None
    assert rollout["phase"] == "rolled_back"
    assert "ready" in rollout["message"]
    assert page(running, "echo.localhost").text == "one\n"


@pytest.mark.parametrize(
    "branch", ["feature/ÄÖ_x", "a" * 200, "Feature/Same", "feature-same"], ids=["umlauts", "long", "first", "second"]
)
def test_any_branch_name_gets_a_valid_colour(running: Running, echo: Repository, branch: str) -> None:
    run = echo.ended(echo.push(branch, **{"echo/text.txt": f"{branch}\n"}))
    echo.files["echo/text.txt"] = "one\n"
    assert run["state"] == "succeeded", run["message"]
    rows = [row for row in running.doors.items("environments", project="echo") if row["branch"] == branch]
    assert len(rows) == 1
    color = rows[0]["color"]
    assert 0 < len(color) <= 40
    answer = page(running, f"{color}.echo.localhost")
    assert answer.text == f"{branch}\n"
    assert parse_receipt(answer.headers["x-colorlane-route"])["echo"].startswith(f"{color}=")


def test_unknown_environment(running: Running) -> None:
    answer = httpx.delete(f"{running.api}/api/v1/environments/nowhere", params={"project": "echo"}, trust_env=False)
    assert answer.status_code == 404
    assert answer.headers["content-type"].startswith("application/problem+json")
    assert "nowhere" in answer.json()["detail"]


def test_double_approval_and_approval_of_a_superseded_commit(running: Running, echo: Repository) -> None:
    first = echo.push("main", **{"echo/text.txt": "two\n"})
    old = running.doors.rollout_when("echo", first, "echo", lambda row: row["awaits_approval"], "ask")
    second = echo.push("main", **{"echo/text.txt": "three\n"})
    running.doors.rollout_when("echo", first, "echo", lambda row: row["phase"] == "superseded", "supersede")
    late = approve(running, old)
    assert late.status_code == 409
    assert "supersede" in late.json()["detail"]
    row = running.doors.rollout_when("echo", second, "echo", lambda row: row["awaits_approval"], "ask")
    assert approve(running, {**row, "revision": first}).status_code == 409
    assert approve(running, row).status_code == 200
    assert approve(running, row).status_code == 409
    assert echo.ended(second)["state"] == "succeeded"
    wait_for("three", lambda: page(running, "echo.localhost").text == "three\n", 10)


def approve(running: Running, row: dict[str, object]) -> httpx.Response:
    """Approve the step the row stands at."""
    body = {"by": "bob", "revision": row["revision"], "artifact": row["artifact"], "step": row["step"]}
    return httpx.post(f"{running.api}/api/v1/rollouts/{row['id']}/approve", json=body, trust_env=False, timeout=10)


def test_webhook_bodies_and_signatures(running: Running) -> None:
    created = running.doors.post(
        "projects", name="hooked", forge="gitlab", forge_url="http://127.0.0.1:9", clone_url="http://127.0.0.1:9/g/h.git",
        forge_project="g/h", webhook_secret="s3cret",
    )  # fmt: skip
    assert "s3cret" not in str(created)
    url = f"{running.api}/webhooks/gitlab?project=hooked"
    good = {"x-gitlab-event": "Push Hook", "x-gitlab-token": "s3cret", "idempotency-key": "k1"}

    def post(body: bytes, **headers: str) -> httpx.Response:
        return httpx.post(url, content=body, headers=good | headers, trust_env=False, timeout=30)

    payload = b'{"object_kind":"note","project":{"path_with_namespace":"g/h"}}'
    assert post(payload, **{"x-gitlab-token": "wrong"}).status_code in (401, 403)
    assert post(b"{broken").status_code == 400
    assert post(b"x" * 30_000_000).status_code == 413
    before = time.monotonic()
    assert post(payload).is_success
    assert time.monotonic() - before < 5
    assert post(payload).is_success
    rows = [row for row in running.doors.items("deliveries", project="hooked") if row["key"] == "k1"]
    assert len(rows) == 1


def test_a_port_in_use_names_the_setting(running: Running, tmp_path: Path) -> None:
    from delivery.embedded import Stack
    from delivery.errors import Rejected
    from tests.e2e.conftest import settings_in

    settings = settings_in(tmp_path).model_copy(update={"gateway_port": running.settings.gateway_port})
    stack = Stack(settings)
    try:
        with pytest.raises(Rejected, match="COLORLANE_GATEWAY_PORT"):
            stack.start(lambda event: None)
    finally:
        stack.stop()
