"""What `/api/v1` answers: shapes, pages, problems, and that no secret is ever among it."""

from __future__ import annotations

import time
from typing import Any

import pytest
from fastapi.testclient import TestClient

from delivery.rollouts.model import Phase
from pipelines.runs import JobState, RunState
from tests.unit.delivery.api.conftest import House


def problem(answer: Any, status: int) -> dict[str, Any]:
    """Check that the answer is a problem of this status and return it."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    body: dict[str, Any] = answer.json()
    assert body["status"] == status
    assert body["detail"]
    return body


def test_register_show_list_remove(house: House, client: TestClient) -> None:
    made = client.post("/api/v1/projects", json={"name": "shop", "by": "ada"})
    assert made.status_code == 201
    assert made.json()["domain"] == "shop.localhost"
    assert made.json()["clone_url"] == "http://localhost:8000/git/shop.git"
    assert client.get("/api/v1/projects/shop").json()["url"] == "http://shop.localhost:8080/"
    assert [row["name"] for row in client.get("/api/v1/projects").json()["items"]] == ["shop"]
    assert client.delete("/api/v1/projects/shop?by=ada").json()["removing"] is True
    trail = client.get("/api/v1/audit?project=shop&newest=false").json()["items"]
    assert (trail[0]["kind"], trail[0]["actor"]) == ("project.registered", "ada")


def test_a_name_is_taken_once(client: TestClient) -> None:
    client.post("/api/v1/projects", json={"name": "shop"})
    assert problem(client.post("/api/v1/projects", json={"name": "shop"}), 409)["field"] == "name"


@pytest.mark.parametrize(
    ("body", "status", "field"),
    [
        ({}, 422, "name"),
        ({"name": 5}, 422, "name"),
        ({"name": "Shop"}, 400, "name"),
        ({"name": "shop", "forge": "svn"}, 400, "forge"),
        ({"name": "shop", "colour": "red"}, 422, "colour"),
        ({"name": "shop", "forge": "gitlab"}, 400, "clone_url"),
    ],
)
def test_bad_registrations_name_the_field(client: TestClient, body: dict[str, Any], status: int, field: str) -> None:
    assert problem(client.post("/api/v1/projects", json=body), status)["field"] == field


def test_secrets_are_never_shown(house: House, client: TestClient) -> None:
    house.gitlab()
    for path in ("/api/v1/projects", "/api/v1/projects/bookshop", "/api/v1/audit", "/metrics"):
        text = client.get(path).text
        assert "s3cret" not in text
        assert "glpat" not in text
    shown = client.get("/api/v1/projects/bookshop").json()
    assert (shown["has_token"], shown["has_webhook_secret"]) == (True, True)


@pytest.mark.parametrize(
    "path",
    ["projects/x", "runs/x", "runs/x/logs", "runs/x/jobs", "deliveries/x", "rollouts/x", "rollouts/x/events",
     "environments/x", "environments/p/x", "projects/x/commits/abcdef1/statuses"],
)  # fmt: skip
def test_what_is_not_there_is_a_problem(client: TestClient, path: str) -> None:
    problem(client.get(f"/api/v1/{path}"), 404)


def test_what_no_address_is_for(client: TestClient) -> None:
    problem(client.get("/api/v1/nothing"), 404)
    problem(client.put("/api/v1/projects"), 405)
    problem(client.get("/api/v1/runs?limit=0"), 422)
    problem(client.post("/api/v1/projects", content=b"{broken"), 422)


def test_pages(house: House, client: TestClient) -> None:
    for number in range(1, 6):
        house.run(f"bookshop.{number}")
    first = client.get("/api/v1/runs?limit=2").json()
    assert [run["number"] for run in first["items"]] == [5, 4]
    assert first["next"] == 2
    last = client.get("/api/v1/runs?limit=2&offset=4").json()
    assert [run["number"] for run in last["items"]] == [1]
    assert last["next"] is None


def test_runs_are_filtered(house: House, client: TestClient) -> None:
    house.run("bookshop.1", state=RunState.FAILED)
    house.run("bookshop.2")
    assert [r["number"] for r in client.get("/api/v1/runs?state=failed").json()["items"]] == [1]
    assert client.get("/api/v1/runs?project=other").json()["items"] == []
    problem(client.get("/api/v1/runs?state=great"), 422)


def test_logs(house: House, client: TestClient) -> None:
    run = house.run(state=RunState.SUCCEEDED)
    house.job(run, "reviews", "one\ntwo")
    house.job(run, "ratings", "three\n")
    url = "/api/v1/runs/bookshop.1/logs"
    assert set(client.get(url).text.splitlines()) == {"reviews | one", "reviews | two", "ratings | three"}
    assert client.get(f"{url}?service=reviews").text == "one\ntwo"
    assert client.get(f"{url}?service=reviews&from=4").text == "two"
    assert client.get(f"{url}?service=reviews&from=-3").text == "two"
    assert client.get(f"{url}?service=reviews&from=999").text == ""
    assert client.get(f"{url}?follow=1&service=reviews").text == "one\ntwo"
    problem(client.get(f"{url}?service=nobody"), 404)
    problem(client.get(f"{url}?from=4"), 400)


def test_a_log_outside_of_its_directory_is_not_read(house: House, client: TestClient, tmp_path: Any) -> None:
    from dataclasses import replace

    run = house.run(state=RunState.SUCCEEDED)
    job = house.job(run, "reviews")
    (tmp_path.parent / "secret.txt").write_text("secret")
    house.store.jobs.save(replace(job, log="../secret.txt"))
    assert client.get("/api/v1/runs/bookshop.1/logs").text == ""


def test_cancel_and_retry(house: House, client: TestClient) -> None:
    client.post("/api/v1/projects", json={"name": "bookshop"})
    house.store.next_generation("run/bookshop")
    house.run()
    problem(client.post("/api/v1/runs/bookshop.1/retry"), 409)
    assert client.post("/api/v1/runs/bookshop.1/cancel").json()["cancel_requested"] is True
    problem(client.post("/api/v1/runs/bookshop.1/cancel"), 409)
    again = client.post("/api/v1/runs/bookshop.1/retry")
    assert again.status_code == 202
    assert again.json()["id"] != "bookshop.1"
    assert again.json()["revision"] == "a" * 40


def test_environments_by_either_address(house: House, client: TestClient) -> None:
    house.environment()
    house.environment("production")
    house.environment("alice", "other")
    assert client.get("/api/v1/environments/bookshop/alice").json()["color"] == "alice"
    assert client.get("/api/v1/environments/alice?project=other").json()["project"] == "other"
    assert client.get("/api/v1/environments/production").json()["color"] == ""
    assert "other" in problem(client.get("/api/v1/environments/alice"), 400)["detail"]
    assert "nowhere" in problem(client.delete("/api/v1/environments/nowhere?project=bookshop"), 404)["detail"]


def test_extend_and_delete(house: House, client: TestClient) -> None:
    house.environment()
    house.environment("production")
    before = house.clock.now()
    longer = client.post("/api/v1/environments/bookshop/alice/extend", json={"duration": "2d"})
    assert longer.json()["expires_at"] == before + 2 * 86_400
    problem(client.post("/api/v1/environments/bookshop/alice/extend", json={"duration": "soon"}), 422)
    assert client.delete("/api/v1/environments/bookshop/alice").json()["state"] == "deleting"
    assert ("reap_environment", "bookshop/alice") in house.wakes
    problem(client.delete("/api/v1/environments/bookshop/production"), 400)


def test_a_rollout_shows_its_steps_in_the_words_of_the_file(house: House, client: TestClient) -> None:
    house.rollout()
    row = client.get("/api/v1/rollouts/r1").json()
    assert row["steps"] == [{"setWeight": 10}, {"analysis": {"max": "60s"}}, {"pause": {}}, {"setWeight": 100}]
    assert (row["awaits_approval"], row["ended"], row["phase"]) == (True, False, "progressing")


def test_approval_is_bound_to_what_was_seen(house: House, client: TestClient) -> None:
    house.rollout()
    seen = client.get("/api/v1/rollouts/r1").json()
    bound = {name: seen[name] for name in ("revision", "artifact", "step")} | {"by": "ada", "comment": "fine"}
    url = "/api/v1/rollouts/r1/approve"
    for wrong in ({"revision": "b" * 40}, {"artifact": "sha256:" + "1" * 64}, {"step": 0}):
        problem(client.post(url, json=bound | wrong), 409)
    assert house.store.rollouts.get("r1").approvals == ()
    done = client.post(url, json=bound)
    assert done.status_code == 200
    assert done.json()["approvals"][0]["approver"] == "ada"
    assert ("advance_rollout", "r1") in house.wakes
    problem(client.post(url, json=bound), 409)


@pytest.mark.parametrize("verb", ["promote", "abort", "pause"])
def test_orders_are_kept_with_who_and_why(house: House, client: TestClient, verb: str) -> None:
    house.rollout()
    row = client.post(f"/api/v1/rollouts/r1/{verb}", json={"by": "ada", "comment": "because"}).json()
    assert [(each["verb"], each["by"], each["reason"]) for each in row["commands"]] == [(verb, "ada", "because")]


@pytest.mark.parametrize("verb", ["approve", "reject", "promote", "abort", "pause", "resume"])
def test_what_has_ended_takes_no_orders(house: House, client: TestClient, verb: str) -> None:
    house.rollout(phase=Phase.SUPERSEDED, message="superseded by run 2")
    assert "supersede" in problem(client.post(f"/api/v1/rollouts/r1/{verb}", json={"by": "ada"}), 409)["detail"]


def test_active_rollouts(house: House, client: TestClient) -> None:
    house.rollout("r1", phase=Phase.PROMOTED)
    house.rollout("r2", phase=Phase.PAUSED)
    assert [row["id"] for row in client.get("/api/v1/rollouts?active=1").json()["items"]] == ["r2"]
    assert [row["id"] for row in client.get("/api/v1/rollouts?phase=promoted").json()["items"]] == ["r1"]


def test_replay(house: House, client: TestClient) -> None:
    house.gitlab()
    headers = {"x-gitlab-token": "s3cret", "idempotency-key": "k", "x-gitlab-event": "Push Hook"}
    body = b'{"project":{"path_with_namespace":"shop/bookshop"}}'
    id = client.post("/webhooks/gitlab", content=body, headers=headers).json()["delivery"]
    house.wakes.clear()
    assert client.post(f"/api/v1/deliveries/{id}/replay").status_code == 202
    assert house.wakes == [("process_delivery", id)]
    assert "body" not in client.get(f"/api/v1/deliveries/{id}").json()


def test_the_trail_has_cursors(house: House, client: TestClient) -> None:
    for number in range(5):
        house.world.tell("bookshop", "run/1", "run.step", str(number))
    oldest = client.get("/api/v1/audit?limit=2&newest=false").json()
    assert [event["text"] for event in oldest["items"]] == ["0", "1"]
    after = client.get(f"/api/v1/audit?newest=false&after={oldest['after']}").json()
    assert [event["text"] for event in after["items"]] == ["2", "3", "4"]
    assert [event["text"] for event in client.get("/api/v1/audit?limit=2").json()["items"]] == ["4", "3"]


def test_health_and_numbers(house: House, client: TestClient) -> None:
    run = house.run()
    house.job(run, "reviews", state=JobState.QUEUED)
    house.rollout()
    assert client.get("/healthz").json()["status"] == "ok"
    assert client.get("/readyz").status_code == 200
    text = client.get("/metrics").text
    assert 'colorlane_jobs{state="queued"} 1.0' in text
    assert 'colorlane_rollouts{phase="progressing"} 1.0' in text


def test_a_mesh_that_is_away_is_said_to_be(client: TestClient) -> None:
    body = problem(client.get("/api/v1/mesh/routes"), 503)
    assert "mesh" in body["detail"]


def test_a_bug_is_told_as_one_and_nothing_of_it_leaks(house: House, client: TestClient) -> None:
    def explode(what: str) -> None:
        raise ZeroDivisionError("the secret formula")

    house.store.projects.before = explode
    body = problem(client.post("/api/v1/projects", json={"name": "shop"}), 500)
    assert "formula" not in str(body)


def test_an_answer_takes_milliseconds(house: House, client: TestClient) -> None:
    house.gitlab()
    headers = {"x-gitlab-token": "s3cret", "x-gitlab-event": "Push Hook"}
    body = b'{"project":{"path_with_namespace":"shop/bookshop"}}'
    client.post("/webhooks/gitlab", content=body, headers=headers)
    times = []
    for number in range(10):
        before = time.perf_counter()
        client.post("/webhooks/gitlab", content=body, headers=headers | {"idempotency-key": str(number)})
        times.append(time.perf_counter() - before)
    assert min(times) < 0.1
