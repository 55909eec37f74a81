"""What Git hosts send: who is believed, what is kept, what is answered."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import pytest
from fastapi.testclient import TestClient
from standardwebhooks import Webhook

from delivery.api.webhooks import event_key
from tests.unit.delivery.api.conftest import House

Payload = Callable[[str], bytes]
KEY = "whsec_" + base64.b64encode(b"0123456789abcdef0123456789abcdef").decode()
OTHER = "whsec_" + base64.b64encode(b"another-key-another-key-another!").decode()
URL = "/webhooks/gitlab"


def head(token: str = "s3cret", key: str = "k1", event: str = "Push Hook") -> dict[str, str]:
    return {"x-gitlab-event": event, "x-gitlab-token": token, "idempotency-key": key}


def signed(body: bytes, key: str = KEY, at: datetime | None = None, id: str = "msg_1") -> dict[str, str]:
    at = at or datetime.now(UTC)
    return {
        "x-gitlab-event": "Push Hook",
        "webhook-id": id,
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": Webhook(key).sign(id, at, body.decode()),
    }


@pytest.mark.parametrize("where", ["", "?project=bookshop"])
def test_a_push_is_in_the_ledger_when_it_is_answered(
    house: House, client: TestClient, payload: Payload, where: str
) -> None:
    house.gitlab()
    body = payload("push")
    answer = client.post(URL + where, content=body, headers=head())
    assert answer.status_code == 202
    row = house.store.deliveries.get(answer.json()["delivery"])
    assert (row.project, row.key, row.body, row.event) == ("bookshop", "k1", body, "Push Hook")
    assert ("process_delivery", row.id) in house.wakes


def test_a_repeat_changes_nothing(house: House, client: TestClient, payload: Payload) -> None:
    house.gitlab()
    first = client.post(URL, content=payload("push"), headers=head()).json()
    house.clock.pass_(5)
    second = client.post(URL, content=payload("push"), headers=head() | {"x-gitlab-webhook-uuid": "fresh"}).json()
    assert (first["duplicate"], second["duplicate"]) == (False, True)
    assert first["delivery"] == second["delivery"]
    assert len(house.store.deliveries.find()) == 1


def test_the_key_is_never_the_webhook_uuid() -> None:
    assert event_key({"x-gitlab-webhook-uuid": "a"}) == ""
    assert event_key({"x-gitlab-webhook-uuid": "a", "webhook-id": "b"}) == "b"
    assert event_key({"idempotency-key": "c", "webhook-id": "b"}) == "b", "the one that is signed"


@pytest.mark.parametrize("token", ["", "wrong", "s3cre", "s3cret ", "S3CRET", "ü"])
def test_a_wrong_token_is_refused(house: House, client: TestClient, payload: Payload, token: str) -> None:
    house.gitlab()
    headers = {name: value.encode() for name, value in head(token).items()}
    answer = client.post(URL, content=payload("push"), headers=headers)
    assert answer.status_code == 401
    assert answer.headers["content-type"] == "application/problem+json"
    assert "s3cret" not in answer.text
    assert house.store.deliveries.find() == []


def test_without_a_secret_nothing_is_taken(house: House, client: TestClient, payload: Payload) -> None:
    house.gitlab(secret="")
    answer = client.post(URL, content=payload("push"), headers=head(""))
    assert answer.status_code == 403
    assert "webhook_secret" in answer.json()["remedy"]


def test_a_signature_is_proof(house: House, client: TestClient, payload: Payload) -> None:
    house.gitlab(secret=KEY)
    body = payload("push")
    assert client.post(URL, content=body, headers=signed(body)).status_code == 202


def test_both_keys_are_taken_while_one_is_rotated(house: House, client: TestClient, payload: Payload) -> None:
    house.gitlab(secret=f"{OTHER}, {KEY}, plain")
    body = payload("push")
    for id, key in (("m1", KEY), ("m2", OTHER)):
        assert client.post(URL, content=body, headers=signed(body, key, id=id)).status_code == 202
    assert client.post(URL, content=body, headers=head("plain", "m3")).status_code == 202
    assert len(house.store.deliveries.find()) == 3


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"webhook-signature": "v1,AAAA"}, "another signature"),
        ({"webhook-signature": "nonsense"}, "no signature at all"),
        ({"webhook-signature": ""}, "an empty one"),
        ({"webhook-id": "msg_2"}, "the id is signed, too"),
        ({"webhook-timestamp": "soon"}, "no number"),
        ({"x-gitlab-token": KEY}, "a signing key is no plain token"),
    ],
)
def test_a_bad_signature_is_refused(
    house: House, client: TestClient, payload: Payload, change: dict[str, str], why: str
) -> None:
    house.gitlab(secret=KEY)
    body = payload("push")
    headers = signed(body) | change
    if "x-gitlab-token" in change:
        del headers["webhook-signature"]
    assert client.post(URL, content=body, headers=headers).status_code == 401, why


def test_an_old_or_changed_message_is_refused(house: House, client: TestClient, payload: Payload) -> None:
    house.gitlab(secret=KEY)
    body = payload("push")
    old = signed(body, at=datetime.now(UTC) - timedelta(minutes=6))
    assert client.post(URL, content=body, headers=old).status_code == 401
    assert client.post(URL, content=body + b" ", headers=signed(body)).status_code == 401
    assert client.post(URL, content=b"\xff\xfe", headers=signed(body)).status_code == 401


@pytest.mark.parametrize("body", [b"{broken", b"", b"[]", b"null", b"\xff\xfe", b"[" * 100_000])
def test_a_broken_body_is_told_and_does_not_use_the_key_up(
    house: House, client: TestClient, payload: Payload, body: bytes
) -> None:
    house.gitlab()
    answer = client.post(URL, content=body, headers=head())
    assert answer.status_code == 400
    assert "JSON" in answer.json()["detail"]
    assert [event.kind for event in house.store.events(project="bookshop")] == ["delivery.refused"]
    assert client.post(URL, content=payload("push"), headers=head()).json()["duplicate"] is False


def test_30_megabytes_are_too_much(house: House, client: TestClient) -> None:
    house.gitlab()

    def chunks() -> Iterator[bytes]:
        for _ in range(30):
            yield b"x" * 1_000_000

    assert client.post(URL, content=b"x" * 30_000_000, headers=head()).status_code == 413
    assert client.post(URL, content=chunks(), headers=head()).status_code == 413
    assert house.store.deliveries.find() == []


@pytest.mark.parametrize(
    ("name", "event"), [("tag_push", "Tag Push Hook"), ("note", "Note Hook"), ("note", "Party Hook")]
)
def test_other_events_are_kept_and_answered_well(
    house: House, client: TestClient, payload: Payload, name: str, event: str
) -> None:
    """A 4xx would count towards GitLab switching the hook off."""
    house.gitlab()
    assert client.post(URL, content=payload(name), headers=head(event=event)).status_code == 202


def test_the_project_is_the_one_the_body_names(house: House, client: TestClient, payload: Payload) -> None:
    house.gitlab("other", path="shop/other")
    house.gitlab()
    house.gitlab("third", path="15", secret="third")
    delivery = client.post(URL, content=payload("push"), headers=head()).json()["delivery"]
    assert house.store.deliveries.get(delivery).project == "bookshop"
    by_id = client.post(URL, content=payload("push"), headers=head("third")).json()["delivery"]
    assert house.store.deliveries.get(by_id).project == "third"
    stranger = json.dumps({"project": {"path_with_namespace": "shop/stranger"}}).encode()
    assert client.post(URL, content=stranger, headers=head()).status_code == 404


def test_a_secret_opens_its_own_project_only(house: House, client: TestClient, payload: Payload) -> None:
    house.gitlab()
    house.gitlab("other", path="shop/other", secret="theirs")
    assert client.post(f"{URL}?project=bookshop", content=payload("push"), headers=head("theirs")).status_code == 401
    assert client.post(URL, content=payload("push"), headers=head("theirs")).status_code == 404


def test_unknown_projects(house: House, client: TestClient, payload: Payload) -> None:
    assert client.post(URL, content=payload("push"), headers=head()).status_code == 404
    assert client.post(f"{URL}?project=nobody", content=payload("push"), headers=head()).status_code == 404


def test_webhooks_need_neither_token_nor_a_loopback_name(house: House, payload: Payload) -> None:
    house.gitlab()
    guarded = house.client(token="sesame")
    headers = head() | {"host": "hooks.example", "origin": "https://gitlab.example"}
    assert guarded.post(URL, content=payload("push"), headers=headers).status_code == 202
