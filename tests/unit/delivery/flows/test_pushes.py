"""Pushes: what bodies say, and that no body, however odd, becomes more than a push or nothing."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from delivery.deliveries import Delivery, DeliveryState, Push
from delivery.flows.pushes import body_of, push_of
from delivery.flows.receive_delivery import receive_delivery
from tests.fakes.world import FakeWorld

ID = "da1560886d4f094c3e6c9ef40349f7d38b5d27d7"


def delivery(body: bytes) -> Delivery:
    return Delivery("shop.1", "shop", "gitlab", "k", "Push Hook", body, 0.0)


def push(**body: Any) -> Push | None:
    return push_of(delivery(json.dumps(body).encode()))


def test_our_own_form_comes_back() -> None:
    original = Push("refs/heads/feature/ÄÖ_x", "a", "b", "alice")
    assert push_of(delivery(body_of(original))) == original


def test_gitlabs_push_event() -> None:
    found = push(object_kind="push", ref="refs/heads/main", before="0" * 40, after=ID, user_username="jsmith")
    assert found == Push("refs/heads/main", "", ID, "jsmith")


def test_gitlabs_deletion() -> None:
    found = push(object_kind="push", ref="refs/heads/x", before=ID, after="0" * 40, checkout_sha=None)
    assert found == Push("refs/heads/x", ID, "")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"null",
        b"\xff\xfe",
        b"{}",
        b'{"ref": 3}',
        b'{"object_kind": "tag_push", "ref": "refs/tags/v1", "after": "ab"}',
        b'{"ref": "refs/heads/x", "after": "--upload-pack=evil"}',
        b'{"ref": "refs/heads/\\ud800", "after": "ab"}',
        b'{"ref": "refs/heads/\\u0000", "after": "ab"}',
    ],
)
def test_what_is_no_push_is_nothing(body: bytes) -> None:
    assert push_of(delivery(body)) is None


@given(st.recursive(st.none() | st.text() | st.integers() | st.floats(), lambda x: st.dictionaries(
    st.sampled_from(["ref", "after", "before", "object_kind", "author"]), x) | st.lists(x)))  # fmt: skip
def test_any_json_is_survived(value: Any) -> None:
    found = push_of(delivery(json.dumps(value).encode()))
    assert found is None or isinstance(found.ref, str)


def test_event_that_is_no_push_is_closed_with_the_reason() -> None:
    shop = FakeWorld()
    row = receive_delivery(shop.world, "shop", "gitlab", "k", "Note Hook", b'{"object_kind": "note"}')
    shop.settle(1)
    found = shop.store.deliveries.get(row.id)
    assert (found.state, found.outcome) == (DeliveryState.IGNORED, "event 'Note Hook' is not acted on")


def test_commit_nobody_has_is_closed_with_the_reason() -> None:
    shop = FakeWorld()
    body = json.dumps({"ref": "refs/heads/x", "before": "", "after": ID}).encode()
    row = receive_delivery(shop.world, "shop", "gitlab", "k", "push", body)
    shop.settle(1)
    assert shop.store.deliveries.get(row.id).outcome == f"no commit {ID}"
