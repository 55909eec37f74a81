"""The console's doors: replicas, logs, events, restart, scale, ways back; and a shell with its own token only."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace

import pytest
from starlette.testclient import WebSocketDenialResponse
from starlette.websockets import WebSocketDisconnect

from delivery.api.security import check_shell_token
from delivery.errors import Rejected, Transient
from delivery.workloads import WorkloadKey, WorkloadSpec

BASE = "/api/v1/environments/bookshop/alice/services/reviews"
KEY = WorkloadKey("bookshop", "reviews", "alice", "v1")
OPEN = {"authorization": "Bearer open"}


@pytest.fixture
def running(house):
    row = house.environment()
    house.store.environments.save(replace(row, workloads={"reviews": "v1"}))
    house.world.platform.apply(WorkloadSpec(KEY, 1, "sha256:" + "0" * 64, ()))
    return house


def test_replicas_logs_and_events(running):
    client = running.client()
    assert [each["name"] for each in client.get(f"{BASE}/replicas").json()] == ["reviews-v1-0"]
    assert client.get(f"{BASE}/logs").text == ""
    assert client.get(f"{BASE}/events").json() == []
    client.post(f"{BASE}/restart", json={"by": "anna"})
    assert [each["reason"] for each in client.get(f"{BASE}/events").json()] == ["Restarted"]


def test_scale_and_its_limits(running):
    client = running.client()
    assert client.post(f"{BASE}/scale", json={"replicas": 3, "by": "anna"}).status_code == 202
    assert len(client.get(f"{BASE}/replicas").json()) == 3
    assert client.post(f"{BASE}/scale", json={"replicas": None}).status_code == 202
    assert len(client.get(f"{BASE}/replicas").json()) == 1
    assert client.post(f"{BASE}/scale", json={"replicas": -1}).status_code == 422
    assert client.post(f"{BASE}/scale", json={}).status_code == 422


def test_a_service_the_environment_does_not_have(running):
    answer = running.client().get(BASE.replace("reviews", "ratings") + "/replicas")
    assert answer.status_code == 404
    assert "alice has no ratings of its own (it has: reviews)" in answer.json()["detail"]


def test_a_way_back_nobody_took_yet(running):
    client = running.client()
    assert client.get(f"{BASE}/revisions").json() == []
    refused = client.post(f"{BASE}/rollback", json={"to": "v0"})
    assert (refused.status_code, refused.json()["field"]) == (404, "to")


def test_a_shell_with_the_right_token_talks_and_is_audited(running):
    client = running.client(token="sesame", shell_token="open")
    with client.websocket_connect(f"{BASE}/shell?by=anna&command=sh&command=-i", headers=OPEN) as shell:
        shell.send_text('{"resize": [80, 24]}')
        shell.send_bytes(b"hello\n")
        assert shell.receive_bytes() == b"hello\n"
        shell.send_bytes(b"exit\n")
        assert shell.receive_json() == {"exit": 0}
    said = [event.text for event in running.store.events(subject="environment/bookshop/alice")]
    assert any("a shell was opened in a replica: sh -i" in text for text in said)
    assert any("the shell was closed after" in text for text in said)


def test_a_shell_that_cannot_be_told_of_is_closed_unused(running, monkeypatch):
    shells = []
    open_one = running.world.platform.shell
    monkeypatch.setattr(running.world.platform, "shell", lambda *given: shells.append(open_one(*given)) or shells[-1])

    def away(*_: object, **__: object) -> None:
        raise Transient("the database is away")

    monkeypatch.setattr(running.store, "record", away)
    client = running.client(shell_token="open")
    with suppress(Transient, WebSocketDisconnect), client.websocket_connect(f"{BASE}/shell", headers=OPEN) as shell:
        shell.receive_bytes()
    assert [each.closed for each in shells] == [True]


def test_what_cannot_be_opened_is_said(running):
    client = running.client(shell_token="open")
    path = BASE.replace("reviews", "ratings")
    with (
        client.websocket_connect(f"{path}/shell", headers=OPEN) as shell,
        pytest.raises(WebSocketDisconnect) as refused,
    ):
        shell.receive_bytes()
    assert refused.value.code == 4400
    assert "alice has no ratings" in refused.value.reason


@pytest.mark.parametrize(
    ("options", "headers", "words"),
    [
        ({}, OPEN, "shells are off"),
        ({"token": "sesame", "shell_token": "open"}, {"authorization": "Bearer sesame"}, "token is wrong"),
        ({"shell_token": "open"}, {}, "token is needed"),
        ({"shell_token": "open"}, OPEN | {"origin": "http://evil.example"}, "another origin"),
    ],
)
def test_nobody_else_opens_one(running, options, headers, words):
    client = running.client(**options)
    with (
        pytest.raises(WebSocketDenialResponse) as refused,
        client.websocket_connect(f"{BASE}/shell", headers=headers),
    ):
        pass
    assert words in refused.value.json()["detail"]


def test_the_token_of_shells_is_no_other():
    check_shell_token("open", "sesame")
    check_shell_token("", "")
    with pytest.raises(Rejected, match="could open shells"):
        check_shell_token("sesame", "sesame")
